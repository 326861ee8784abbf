// CRC32C (Castagnoli's polynomial, RFC 3720 appendix B.4), of short records:
// byte by byte, from a table of 1 KiB.
//
// ```cpp
// uint32_t crc = percore::internal::ExtendCrc32c(0, "1234");
// crc = percore::internal::ExtendCrc32c(crc, "56789");  // 0xe3069283
// ```
#ifndef PERCORE_NET_INTERNAL_CRC32C_H_
#define PERCORE_NET_INTERNAL_CRC32C_H_

#include <cstdint>
#include <string_view>

namespace percore::internal {

// The CRC of some bytes with `bytes` behind them, if `crc` is that of the
// former; 0 is that of none. Any thread.
uint32_t ExtendCrc32c(uint32_t crc, std::string_view bytes);

}  // namespace percore::internal

#endif  // PERCORE_NET_INTERNAL_CRC32C_H_
