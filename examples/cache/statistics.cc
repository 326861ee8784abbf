#include "percore/examples/cache/statistics.h"

#include <iterator>

namespace percore::cache {
namespace {

struct Field {
  std::string_view name;
  uint64_t Statistics::*value;
};

// In the order of memcached's own answer.
constexpr Field kFields[] = {
    {"cmd_get", &Statistics::cmd_get},
    {"cmd_set", &Statistics::cmd_set},
    {"cmd_flush", &Statistics::cmd_flush},
    {"cmd_touch", &Statistics::cmd_touch},
    {"get_hits", &Statistics::get_hits},
    {"get_misses", &Statistics::get_misses},
    {"get_expired", &Statistics::get_expired},
    {"get_flushed", &Statistics::get_flushed},
    {"delete_misses", &Statistics::delete_misses},
    {"delete_hits", &Statistics::delete_hits},
    {"incr_misses", &Statistics::incr_misses},
    {"incr_hits", &Statistics::incr_hits},
    {"decr_misses", &Statistics::decr_misses},
    {"decr_hits", &Statistics::decr_hits},
    {"cas_misses", &Statistics::cas_misses},
    {"cas_hits", &Statistics::cas_hits},
    {"cas_badval", &Statistics::cas_badval},
    {"touch_hits", &Statistics::touch_hits},
    {"touch_misses", &Statistics::touch_misses},
    {"store_too_large", &Statistics::store_too_large},
    {"store_no_memory", &Statistics::store_no_memory},
    {"limit_maxbytes", &Statistics::limit_maxbytes},
    {"bytes", &Statistics::bytes},
    {"curr_items", &Statistics::curr_items},
    {"total_items", &Statistics::total_items},
    {"expired_unfetched", &Statistics::expired_unfetched},
    {"evicted_unfetched", &Statistics::evicted_unfetched},
    {"evictions", &Statistics::evictions},
    {"reclaimed", &Statistics::reclaimed},
};
static_assert(std::size(kFields) * sizeof(uint64_t) == sizeof(Statistics),
              "a field has no line above");

}  // namespace

Statistics& Statistics::operator+=(const Statistics& other) {
  for (const Field& field : kFields) this->*field.value += other.*field.value;
  return *this;
}

void Statistics::Reset() {
  *this = Statistics{.curr_items = curr_items,
                     .bytes = bytes,
                     .limit_maxbytes = limit_maxbytes};
}

void AppendStatLines(const Statistics& statistics, std::string* reply) {
  for (const Field& field : kFields) {
    AppendStatLine(field.name, statistics.*field.value, reply);
  }
}

void AppendStatLine(std::string_view name, std::string_view value,
                    std::string* reply) {
  reply->append("STAT ").append(name).append(" ").append(value).append("\r\n");
}

void AppendStatLine(std::string_view name, uint64_t value, std::string* reply) {
  AppendStatLine(name, std::to_string(value), reply);
}

}  // namespace percore::cache
