#include "percore/net/secure_random.h"

#include <openssl/err.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <climits>
#include <string>

#include "absl/strings/str_cat.h"
#include "percore/runtime/log.h"

namespace percore {
namespace {

// What OpenSSL said last, in words.
absl::Status OpensslError() {
  std::array<char, 256> text = {"no reason given"};
  if (const unsigned long code = ERR_peek_last_error(); code != 0) {
    ERR_error_string_n(code, text.data(), text.size());
  }
  return absl::UnavailableError(absl::StrCat("RAND_bytes: ", text.data()));
}

}  // namespace

absl::Status SecureRandomBytes(std::span<std::byte> bytes) {
  // OpenSSL's list of errors belongs to the thread, and TLS looks into it: it
  // is left as it was.
  ERR_set_mark();
  absl::Status status;
  do {
    const size_t size = std::min<size_t>(bytes.size(), INT_MAX);
    const int filled = RAND_bytes(
        reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(size));
    if (filled != 1) status = OpensslError();
    bytes = bytes.subspan(size);
  } while (status.ok() && !bytes.empty());
  ERR_pop_to_mark();
  return status;
}

absl::StatusOr<uint64_t> SecureRandomUint64() {
  uint64_t number = 0;
  const absl::Status status =
      SecureRandomBytes(std::as_writable_bytes(std::span(&number, 1)));
  if (!status.ok()) return status;
  return number;
}

SecureRandomGenerator::result_type SecureRandomGenerator::operator()() {
  const absl::StatusOr<uint64_t> number = SecureRandomUint64();
  if (!number.ok()) LogFatal(std::string(number.status().message()));
  return *number;
}

}  // namespace percore
