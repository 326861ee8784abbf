// A memcached client: reads its commands, asks the shards that own the keys,
// and answers in the order of the commands, however late an answer comes.
#ifndef PERCORE_EXAMPLES_CACHE_SERVICE_CACHE_CONNECTION_H_
#define PERCORE_EXAMPLES_CACHE_SERVICE_CACHE_CONNECTION_H_

#include <cstddef>
#include <optional>
#include <string_view>

#include "percore/examples/cache/item.h"
#include "percore/examples/cache/protocol.h"
#include "percore/examples/cache_service/request.h"
#include "percore/net/connection.h"
#include "percore/runtime/intrusive_list.h"

namespace percore::cache {

class CacheService;

// Thread: its shard's.
class CacheConnection final : public Connection {
 public:
  // Requests of one connection that may be under way at a time. Together with
  // kMaxCopiedBlock it bounds what a client that never reads can make the
  // server hold; what it sends beyond that stays in its own socket.
  static constexpr size_t kMaxInFlight = 128;

  CacheConnection(Accepted accepted, CacheService& service);
  ~CacheConnection() override;

  void OnRead() override { Process(); }
  void OnWritten() override { Process(); }
  void OnEndOfFile() override;
  void OnDrain() override;

  // An answer came back: the first in line may now be sent.
  void OnAnswer();

 private:
  // Where in the stream of commands the connection is.
  enum class State {
    kLine,     // a command line comes
    kGetKeys,  // a line of get that has not been asked for whole
    kData,     // the data block of a storage command
    kSkip,     // data of a command that was refused
    kLast,  // nothing more is read; answers that are missing come, then Finish
  };

  // Goes on until input or room for answers runs out.
  void Process();
  // Each does one step in its state; false if it needs more input.
  bool ProcessLine();
  bool ProcessGetKeys();
  bool ProcessData();
  bool ProcessSkip();
  void Run(const Command& command, size_t line_size);
  void RunStorage(const Command& command);
  void RunStats(const Command& command);
  void Refuse(const CommandError& error);
  void FinishStorage();

  // Whether another request may be made now.
  bool HasRoom() const;
  Request* NewRequest(CommandKind kind, bool noreply);
  void SendToOwner(Request* request, const HashedKey& key);
  void SendGet(std::string_view key, bool last);
  void AnswerGetNow(const HashedKey& key, bool last);
  // An answer that needs nobody else.
  void Reply(std::string_view fixed_reply);
  void AppendAnswers();
  void AppendAnswer(Request& request);
  void AppendItem(ItemPtr item);
  void StopReading(CloseReason reason);
  void FinishIfAnswered();

  CacheService& service_;
  IntrusiveList<Request, &Request::link> in_flight_;
  size_t in_flight_count_ = 0;
  State state_ = State::kLine;
  bool processing_ = false;
  bool input_ended_ = false;
  CloseReason close_reason_ = CloseReason::kLocal;

  size_t searched_ = 0;  // bytes of input without a line end
  // kGetKeys: the line, as it lies at the front of the input.
  CommandKind get_kind_ = CommandKind::kGet;
  size_t line_size_ = 0;  // with its end
  size_t key_offset_ = 0;
  size_t keys_end_ = 0;
  // kData.
  Request* storing_ = nullptr;  // with its item
  size_t received_ = 0;         // of the data block
  // kSkip.
  size_t skip_ = 0;
  std::string_view reply_after_skip_;
};

}  // namespace percore::cache

#endif  // PERCORE_EXAMPLES_CACHE_SERVICE_CACHE_CONNECTION_H_
