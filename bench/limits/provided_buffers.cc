#include "percore/bench/limits/provided_buffers.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace percore::bench {
namespace {

constexpr size_t kMemorySize =
    ProvidedBuffers::kBufferSize * ProvidedBuffers::kCount;
constexpr size_t kRingSize =
    sizeof(io_uring_buf) * ProvidedBuffers::kMostOffered;

// Null if there is none.
void* Map(size_t size) {
  void* const memory = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return memory == MAP_FAILED ? nullptr : memory;
}

}  // namespace

ProvidedBuffers::~ProvidedBuffers() {
  if (ring_ != nullptr) munmap(ring_, kRingSize);
  if (memory_ != nullptr) munmap(memory_, kMemorySize);
}

absl::Status ProvidedBuffers::Register(io_uring& ring) {
  memory_ = static_cast<char*>(Map(kMemorySize));
  ring_ = static_cast<io_uring_buf_ring*>(Map(kRingSize));
  if (memory_ == nullptr || ring_ == nullptr) {
    return absl::UnavailableError("no memory for the receive buffers");
  }
  io_uring_buf_reg registration = {};
  registration.ring_addr = reinterpret_cast<uintptr_t>(ring_);
  registration.ring_entries = kMostOffered;
  registration.bgid = kGroup;
  const int result = io_uring_register_buf_ring(&ring, &registration, 0);
  if (result < 0) {
    return absl::UnavailableError(
        absl::StrCat("io_uring_register_buf_ring: ", strerror(-result)));
  }
  free_.reserve(kCount);
  for (int id = kCount - 1; id >= 0; --id) Release(static_cast<uint16_t>(id));
  Offer();
  return absl::OkStatus();
}

void ProvidedBuffers::Offer() {
  // The tail lies in the unused part of the first entry, so entries are written
  // by field. Not with liburing's helper: its array has no bounds in C++.
  auto* const entries = reinterpret_cast<io_uring_buf*>(ring_);
  int added = 0;
  for (; offered_ < kMostOffered && !free_.empty(); ++offered_, ++added) {
    const uint16_t id = free_.back();
    free_.pop_back();
    const uint32_t slot =
        static_cast<uint32_t>(ring_->tail + added) & (kMostOffered - 1);
    entries[slot].addr = reinterpret_cast<uintptr_t>(data(id));
    entries[slot].len = kBufferSize;
    entries[slot].bid = id;
  }
  if (added > 0) io_uring_buf_ring_advance(ring_, added);
}

}  // namespace percore::bench
