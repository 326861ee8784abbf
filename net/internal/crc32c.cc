#include "percore/net/internal/crc32c.h"

#include <array>
#include <cstddef>

namespace percore::internal {
namespace {

constexpr size_t kByteValues = 256;

// What each byte does to the CRC.
constexpr std::array<uint32_t, kByteValues> MakeTable() {
  // Castagnoli's polynomial, lowest power in the highest bit.
  constexpr uint32_t kPolynomial = 0x82f63b78;
  std::array<uint32_t, kByteValues> table = {};
  for (uint32_t byte = 0; byte < kByteValues; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
    }
    table[byte] = crc;
  }
  return table;
}

constexpr std::array<uint32_t, kByteValues> kTable = MakeTable();

}  // namespace

uint32_t ExtendCrc32c(uint32_t crc, std::string_view bytes) {
  crc = ~crc;
  for (const char byte : bytes) {
    crc = (crc >> 8) ^ kTable[(crc ^ static_cast<uint8_t>(byte)) & 0xff];
  }
  return ~crc;
}

}  // namespace percore::internal
