// A memory arena for each shard, where the program is linked with jemalloc.
#ifndef PERCORE_RUNTIME_INTERNAL_ARENA_H_
#define PERCORE_RUNTIME_INTERNAL_ARENA_H_

namespace percore::internal {

// Gives the calling thread a jemalloc arena that no other thread allocates
// from, so that shards do not contend for one. Does nothing without jemalloc,
// and nothing when jemalloc refuses: memory then comes from the common arenas.
void UseArenaOfItsOwn();

}  // namespace percore::internal

#endif  // PERCORE_RUNTIME_INTERNAL_ARENA_H_
