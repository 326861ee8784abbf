"""Percore's cache server beside memcached."""

from harness import machine, server_case, servers
from harness.runner import Suite
from harness.server_case import ServerCase

CONNECTIONS = 64
DEPTHS = (1, 16)


def cases(options):
    kinds = [servers.percore_cache(options.bin_folder), servers.Memcached()]
    for threads in (1, 2):
        for depth in DEPTHS:
            name = "%d thread%s, depth %d" % (threads, "s" * (threads > 1), depth)
            if machine.split_cpus(threads).shared:
                name += " (load on the same CPUs)"
            yield ServerCase(
                options,
                name,
                kinds,
                {
                    "connections": CONNECTIONS,
                    "depth": depth,
                    "keys": 10000,
                    "value_size": 100,
                    "set_ratio": 0.1,
                },
                threads=threads,
                count_instructions=threads == 1 and not options.quick,
            )


SUITE = Suite(
    name="cache_server",
    title="cache_server and memcached",
    text=(
        "`examples/cache_server` and Debian's memcached: the same number of threads,"
        " %d MB of memory, %d connections, 90%% get and 10%% set of 10,000 keys with"
        " values of 100 bytes, closed loop. memcached brings its own slab allocator"
        " and glibc's malloc, cache_server jemalloc."
        % (servers.MEMORY_MB, CONNECTIONS)
    ),
    metrics=[
        server_case.CPU_PER_REQUEST,
        server_case.REQUESTS_PER_SECOND,
        server_case.SYSTEM_CALLS,
        server_case.INSTRUCTIONS,
        *server_case.LATENCIES,
        server_case.PEAK_MEMORY,
    ],
    cases=lambda options: list(cases(options)),
)
