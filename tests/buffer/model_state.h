// A few Buffers, and beside each what the header of Buffer says that it must
// be: its bytes as a std::string, what it refuses, who is told of its changes.
#ifndef PERCORE_TESTS_BUFFER_MODEL_STATE_H_
#define PERCORE_TESTS_BUFFER_MODEL_STATE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "percore/buffer/buffer.h"
#include "percore/buffer/buffer_memory_stats.h"
#include "percore/buffer/buffer_observer.h"
#include "percore/buffer/file_segment.h"
#include "percore/tests/buffer/buffer_script.h"
#include "percore/tests/buffer/script_kernel.h"

namespace percore {

class Model;

// What Buffer::Reserve() has handed out.
struct ModelReservation {
  size_t size = 0;
  std::string written;  // to its first bytes
};

// An observer, and what the model knows of it.
struct ModelObserver {
  explicit ModelObserver(Model& owner);

  Model& model;
  BufferObserver observer;
  bool enabled = true;
};

// A Buffer, and what it must be.
struct ModelSubject {
  // The bytes change: what follows records what observers must be told.
  void Append(std::string_view added);
  void Prepend(std::string_view added);
  void Drain(size_t n);
  void Assign(std::string_view replacement);

  size_t size() const { return bytes.size(); }
  // How many bytes may be added at an end.
  size_t RoomAt(BufferEnd end) const;
  bool IsFrontHeld() const { return front_frozen && !bytes.empty(); }

  // Never empty: it is optional so that it can be made anew in its place.
  std::optional<Buffer> buffer{std::in_place};
  std::string bytes;
  // Of this operation.
  std::vector<BufferChange> changes;
  // Whether bytes may be in a file that nobody has looked at yet. To compare
  // them is to look at them.
  bool holds_file = false;

  bool front_frozen = false;
  bool back_frozen = false;
  size_t size_limit = SIZE_MAX;
  size_t max_read = UINT32_MAX;
  std::vector<ModelObserver*> observers;  // the latest first

  std::optional<ModelReservation> reservation;
  // Empty, or valid.
  std::optional<Buffer::Position> position;
};

// What a Buffer holds a reference to. Its bytes are overwritten when it is
// released: whoever looks at them too late sees it.
struct ModelReference {
  std::string bytes;
  int releases = 0;
  int wanted_releases = 1;

  // Buffer::ReleaseFunction.
  static void Release(void* reference);
};

// A FileSegment of the script, made when it is first used.
struct ModelFile {
  static void Release(void* file);

  std::shared_ptr<const FileSegment> segment;  // null once it is given up
  std::string_view bytes;
  int fd = -1;
  bool is_closed_at_end = false;
  int releases = 0;
};

// One thread. Knows the Buffers of one script, and the first difference.
class Model {
 public:
  static constexpr size_t kFiles = 7;
  static constexpr size_t kObservers = 6;
  // A Buffer that has more is drained before the next operation.
  static constexpr size_t kMostBytes = 400'000;

  Model();
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  ModelSubject& subject(size_t index) { return subjects_[index]; }
  ModelObserver& observer(size_t index) { return *observers_[index]; }
  ScriptKernel& kernel() { return kernel_; }
  // Segments that all Buffers hold together.
  int64_t SegmentsInUse() const { return stats_->segments_in_use.Get(); }

  // As many bytes as the operation's Size(), or as given; of few different
  // values, so that searches find something. They stay for ever.
  static std::string_view BytesOf(const Operation& operation);
  static std::string_view BytesOf(const Operation& operation, uint32_t which,
                                  size_t size);

  // A copy of `bytes` that a Buffer is to refer to.
  ModelReference& NewReference(std::string_view bytes);
  // One of kFiles kinds of files.
  ModelFile& File(size_t kind);
  // Nobody but Buffers holds the file any more.
  void GiveUp(size_t kind);

  // Notes the difference, unless there was one before.
  void Fail(std::string difference);
  template <typename Actual, typename Expected>
  void Expect(const Actual& actual, const Expected& expected,
              const char* what) {
    if (actual == expected) [[likely]] {
      return;
    }
    Fail(absl::StrCat(what, " is ", actual, " instead of ", expected));
  }
  void ExpectBytes(std::string_view actual, std::string_view expected,
                   const char* what);

  // What every operation is between.
  void Begin(const Operation& operation);
  void Check(const Operation& operation);
  // Destroys everything, and checks what must be left: nothing.
  void Finish();

  // Empty while there is none.
  const std::string& difference() const { return difference_; }

 private:
  friend struct ModelObserver;

  // What an observer has been told in this operation.
  struct Notice {
    const ModelObserver* observer;
    const Buffer* buffer;
    BufferChange change;
  };

  static void OnChange(Buffer& buffer, const BufferChange& change,
                       void* argument);

  void CheckSettings(const ModelSubject& subject);
  void CheckBytes(const ModelSubject& subject);
  void CheckNotices();
  // References are released as soon as no Buffer has bytes.
  void CheckReferencesOfEmptyBuffers();

  const std::shared_ptr<const BufferMemoryStats> stats_;
  const int64_t segments_before_;
  const int64_t bytes_before_;
  ScriptKernel kernel_;
  // References and files outlive the Buffers, which release them.
  std::deque<ModelReference> references_;
  std::deque<ModelFile> files_;
  std::array<ModelFile*, kFiles> current_files_{};
  std::array<std::unique_ptr<ModelObserver>, kObservers> observers_;
  std::array<ModelSubject, kSubjects> subjects_;
  std::vector<Notice> notices_;
  std::string difference_;
};

}  // namespace percore

#endif  // PERCORE_TESTS_BUFFER_MODEL_STATE_H_
