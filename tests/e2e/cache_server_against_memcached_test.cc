// The same bytes to memcached and to the cache server: the same bytes back.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "percore/net/listen_sockets.h"
#include "percore/tests/e2e/server_process.h"

namespace percore {
namespace {

// A memcached of Debian on a port of its own.
class Memcached {
 public:
  Memcached()
      : address_(FreeAddress()),
        process_({"memcached", "-u", "root", "-l", "127.0.0.1", "-U", "0", "-p",
                  std::to_string(address_.port())}) {
    // It prints nothing when it is ready.
    while (!Accepts()) std::this_thread::yield();
  }

  std::string Ask(std::string_view text) const {
    BlockingClient client(address_);
    client.Send(text);
    return client.ReadToEnd();
  }

 private:
  static SocketAddress FreeAddress() {
    return ListenSockets::Open("127.0.0.1:0", 1)->address();
  }
  bool Accepts() const {
    const UniqueFd fd(socket(AF_INET, SOCK_STREAM, 0));
    return connect(fd.get(), address_.native(), address_.native_size()) == 0;
  }

  const SocketAddress address_;
  Subprocess process_;
};

class CacheServerAgainstMemcachedTest : public testing::Test {
 protected:
  void ExpectSameReplies(const std::string& text) {
    SCOPED_TRACE(text.substr(0, 200));
    // Each text starts with an empty cache, on a connection of its own.
    const std::string clear = "flush_all\r\nquit\r\n";
    EXPECT_EQ(server_.Ask(clear), memcached_.Ask(clear));
    const std::string question = text + "quit\r\n";
    EXPECT_EQ(absl::StrReplaceAll(server_.Ask(question),
                                  {{"1.6.18-percore", "1.6.18"}}),
              memcached_.Ask(question));
  }

  const Memcached memcached_;
  const ServerProcess server_{"examples/cache_server", {"--shards=3"}};
};

TEST_F(CacheServerAgainstMemcachedTest, AnswersCommandsAlike) {
  for (const char* text : {
           "set a 0 0 1\r\n1\r\nget a\r\n",
           "set a 7 100 0\r\n\r\nget a\r\n",
           "set a 4294967295 0 1\r\n1\r\nget a\r\n",
           "add a 0 0 1\r\n1\r\nadd a 0 0 1\r\n2\r\nget a\r\n",
           "replace a 0 0 1\r\n1\r\nget a\r\n",
           "append a 0 0 1\r\n1\r\nprepend a 0 0 1\r\n1\r\n",
           "set a 3 0 1\r\nb\r\nappend a 9 9 1\r\nc\r\nget a\r\n",
           "set a 3 0 1\r\nb\r\nprepend a 9 9 1\r\na\r\nget a\r\n",
           "set a 0 0 2\r\n10\r\nincr a 5\r\ndecr a 1\r\nget a\r\n",
           "set a 0 0 2\r\n10\r\ndecr a 100\r\nget a\r\n",
           "set a 0 0 3\r\n100\r\ndecr a 1\r\nget a\r\n",
           "set a 0 0 20\r\n18446744073709551615\r\nincr a 1\r\nget a\r\n",
           "set a 0 0 1\r\nx\r\nincr a 1\r\ndecr a 1\r\n",
           "incr missing 1\r\ndecr missing 1\r\n",
           "set a 0 0 1\r\n1\r\ndelete a\r\ndelete a\r\nget a\r\n",
           "set a 0 -1 1\r\n1\r\nget a\r\n",
           "set a 0 0 1\r\n1\r\ntouch a -1\r\nget a\r\ntouch a 0\r\n",
           "set a 0 0 1\r\n1\r\nset b 0 0 1\r\n2\r\nget b a c a\r\n",
           "cas missing 0 0 1 1\r\nx\r\n",
           "set a 0 0 1 noreply\r\n1\r\nget a\r\n",
           "version\r\nverbosity 1\r\nflush_all\r\nflush_all 0\r\n",
           "set a 0 0 1\r\n1\r\nflush_all\r\nget a\r\n",
           "set a 0 0 1\r\n1\r\nflush_all\r\nadd a 0 0 1\r\n2\r\n",
           "get a\nset b 0 0 1\n1\r\nget b\n",
           "stats reset\r\n",
       }) {
    ExpectSameReplies(text);
  }
}

TEST_F(CacheServerAgainstMemcachedTest, RefusesMalformedLinesAlike) {
  const std::string long_key(251, 'k');
  for (const std::string& text : std::vector<std::string>{
           "\r\n",
           "nonsense\r\n",
           "GET a\r\n",
           "get\r\n",
           "get \r\n",
           "gets\r\n",
           "get " + long_key + "\r\n",
           "get a " + long_key + "\r\n",
           "set\r\n",
           "set a\r\n",
           "set a 0 0\r\n",
           "set a b c\r\n",
           "set a 0 0 x\r\n",
           "set a x 0 1\r\nversion\r\n",
           "set a 0 x 1\r\nversion\r\n",
           "set a 0 0 -1\r\nversion\r\n",
           "set a 4294967296 0 1\r\nversion\r\n",
           "set " + long_key + " 0 0 1\r\nversion\r\n",
           "set a 0 0 3\r\nabcd\r\nversion\r\n",
           "set a 0 0 3\r\nab\r\nxversion\r\n",
           "cas a 0 0 1\r\nversion\r\n",
           "cas a 0 0 1 x\r\nversion\r\n",
           "incr\r\n",
           "incr a\r\n",
           "incr a x\r\n",
           "incr a 18446744073709551616\r\n",
           "decr a 1 2 3\r\n",
           "delete\r\n",
           "delete a 0\r\n",
           "delete a 5\r\n",
           "delete a b c\r\n",
           "delete " + long_key + "\r\n",
           "touch\r\n",
           "touch a\r\n",
           "touch a x\r\n",
           "verbosity\r\n",
           "flush_all x\r\n",
           "incr a 1 noreply\r\nversion\r\n",
       }) {
    ExpectSameReplies(text);
  }
}

TEST_F(CacheServerAgainstMemcachedTest, RefusesWhatIsTooLargeAlike) {
  const std::string value(1024 * 1024 + 1, 'v');
  ExpectSameReplies(absl::StrCat("set a 0 0 1\r\n1\r\nset a 0 0 ", value.size(),
                                 "\r\n", value, "\r\nget a\r\nversion\r\n"));
  ExpectSameReplies(absl::StrCat("add a 0 0 ", value.size(), " noreply\r\n",
                                 value, "\r\nget a\r\nversion\r\n"));
}

}  // namespace
}  // namespace percore
