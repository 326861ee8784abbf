// What a cache has counted, under memcached's names.
//
// Each store counts for itself in plain integers; the sum over all stores is
// what a client reads with "stats". The server adds a Statistics of its own,
// for what no store sees: `cmd_flush` (every store is flushed for one command),
// `store_too_large`, and a `cmd_set` for each data block that ends badly.
//
// ```cpp
// cache::Statistics first_shard, second_shard;
// first_shard.cmd_get = 3;
// first_shard += second_shard;
// std::string reply;
// cache::AppendStatLines(first_shard, &reply);  // "STAT cmd_get 3\r\n"...
// ```
#ifndef PERCORE_EXAMPLES_CACHE_STATISTICS_H_
#define PERCORE_EXAMPLES_CACHE_STATISTICS_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace percore::cache {

struct Statistics {
  // Keys asked for, and how that ended. A miss because the item was expired or
  // flushed counts as such, too; those two also count the items that Delete,
  // Touch, Incr and Decr find in that state.
  uint64_t cmd_get = 0;
  uint64_t get_hits = 0;
  uint64_t get_misses = 0;
  uint64_t get_expired = 0;
  uint64_t get_flushed = 0;

  // Commands that bring a value, whatever became of it.
  uint64_t cmd_set = 0;
  uint64_t cas_hits = 0;
  uint64_t cas_misses = 0;
  uint64_t cas_badval = 0;
  uint64_t store_too_large = 0;
  uint64_t store_no_memory = 0;

  // Incr and Decr of a value that is no number count as neither.
  uint64_t incr_hits = 0;
  uint64_t incr_misses = 0;
  uint64_t decr_hits = 0;
  uint64_t decr_misses = 0;

  uint64_t cmd_touch = 0;
  uint64_t touch_hits = 0;
  uint64_t touch_misses = 0;
  uint64_t delete_hits = 0;
  uint64_t delete_misses = 0;
  uint64_t cmd_flush = 0;

  // Live items that had to go because memory was short; of these, the ones that
  // no Get had found. Then the same for expired and flushed items whose place
  // was taken by a new one.
  uint64_t evictions = 0;
  uint64_t evicted_unfetched = 0;
  uint64_t reclaimed = 0;
  uint64_t expired_unfetched = 0;

  // Every item the store took in since the start or the last reset.
  uint64_t total_items = 0;

  // The present state, untouched by a reset. `bytes` sums Item::footprint().
  uint64_t curr_items = 0;
  uint64_t bytes = 0;
  uint64_t limit_maxbytes = 0;

  Statistics& operator+=(const Statistics& other);

  // Sets to zero what was counted, and keeps the present state: "stats reset".
  void Reset();
};

// Appends one "STAT <name> <value>\r\n" for each field.
void AppendStatLines(const Statistics& statistics, std::string* reply);

// Appends one such line, for what the server has to say besides.
void AppendStatLine(std::string_view name, std::string_view value,
                    std::string* reply);
void AppendStatLine(std::string_view name, uint64_t value, std::string* reply);

}  // namespace percore::cache

#endif  // PERCORE_EXAMPLES_CACHE_STATISTICS_H_
