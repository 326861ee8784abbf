"""What a rate limit costs that is never reached."""

from harness import server_case, servers
from harness.runner import Suite
from harness.server_case import ServerCase

SIZES = {64: "64 B", 16384: "16 KiB"}
CONNECTIONS = 1000


def cases(options):
    def percore(name, backend, flags=()):
        return servers.percore_echo(options.bin_folder, name, backend, flags)

    limit = ["--rate_limit=2000000000"]
    kinds = [
        percore("Percore", "epoll"),
        percore("Percore, limited", "epoll", limit),
        percore("Percore io_uring", "io_uring"),
        percore("Percore io_uring, limited", "io_uring", limit),
        servers.libevent_echo(options.bin_folder, "libevent", "bufferevents"),
        servers.libevent_echo(options.bin_folder, "libevent, limited", "limited"),
    ]
    return [
        ServerCase(
            options,
            "%s, %d busy members" % (name, CONNECTIONS),
            kinds,
            {"connections": CONNECTIONS, "depth": 1, "message_size": size},
            count_calls=False,
        )
        for size, name in SIZES.items()
    ]


SUITE = Suite(
    name="rate_cost",
    title="Rate limits: what they cost",
    text=(
        "Echo, as above, of 1,000 connections that are all busy; each server once"
        " without a limit, and once with all connections in a rate-limit group that"
        " allows 2 GB a second in either direction, which is more than there is."
    ),
    metrics=[server_case.CPU_PER_REQUEST, server_case.REQUESTS_PER_SECOND],
    cases=cases,
)
