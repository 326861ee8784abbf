// Random numbers that nobody can guess, from OpenSSL: for keys, tokens, and
// whatever an attacker would like to know beforehand.
//
// Simulations, jitter and tests do better with <random>: faster, and the same
// again from the same seed.
//
// ```cpp
// std::array<std::byte, 16> token;
// absl::Status status = percore::SecureRandomBytes(token);
// absl::StatusOr<uint64_t> number = percore::SecureRandomUint64();
//
// percore::SecureRandomGenerator generator;
// int die = std::uniform_int_distribution<>(1, 6)(generator);
// ```
//
// Any thread. OpenSSL keeps a generator for each thread, seeds it from the
// kernel, and anew in a child of fork(): nothing has to be set up. About one
// microsecond a call, and two for a thousand bytes, measured with OpenSSL 3.0:
// who needs many numbers asks for them at once.
#ifndef PERCORE_NET_SECURE_RANDOM_H_
#define PERCORE_NET_SECURE_RANDOM_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace percore {

// Fills `bytes`. Errors: Unavailable, with what OpenSSL says, when it gets no
// seed from the kernel; `bytes` are not to be used then. A program that wants
// to know at its start asks for none.
absl::Status SecureRandomBytes(std::span<std::byte> bytes);

absl::StatusOr<uint64_t> SecureRandomUint64();

// For std::shuffle() and the distributions of <random>. They cannot be told of
// an error: one ends the process with a message (LogFatal() of runtime/log.h),
// since going on with numbers that are not random would be worse. Keeps no
// numbers in store, which a child of fork() would share.
class SecureRandomGenerator {
 public:
  using result_type = uint64_t;
  static constexpr result_type min() { return 0; }
  static constexpr result_type max() {
    return std::numeric_limits<result_type>::max();
  }
  result_type operator()();
};

}  // namespace percore

#endif  // PERCORE_NET_SECURE_RANDOM_H_
