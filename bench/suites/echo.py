"""Echo servers: small and large messages, few and many connections."""

from harness import server_case, servers
from harness.plots import Plot
from harness.runner import Suite
from harness.server_case import ServerCase

SIZES = {64: "64 B", 16384: "16 KiB"}
CONNECTIONS = (1, 64, 1000, 10000)
DEPTHS = (1, 16)

# Enough to see whether something has broken.
QUICK = {(64, 64, 1), (64, 64, 16), (64, 1000, 1), (16384, 64, 1)}

# So many bytes go round in a second, about: where more than that is in flight,
# the first answers come late.
BYTES_PER_SECOND = 1e9

# Counting system calls is done once, and takes as long as a round.
COUNTED_CONNECTIONS = (1, 64, 1000)


def name_of(size, connections, depth):
    return "%s, %d connection%s, depth %d" % (
        SIZES[size],
        connections,
        "s" * (connections > 1),
        depth,
    )


def cases(options):
    kinds = [
        servers.percore_echo(options.bin_folder),
        servers.percore_echo(options.bin_folder, "Percore io_uring", "io_uring"),
    ]
    kinds += servers.echo_peers(options.bin_folder)
    for size in SIZES:
        for depth in DEPTHS:
            for connections in CONNECTIONS:
                if options.quick and (size, connections, depth) not in QUICK:
                    continue
                yield ServerCase(
                    options,
                    name_of(size, connections, depth),
                    kinds,
                    {
                        "connections": connections,
                        "depth": depth,
                        "message_size": size,
                    },
                    settling=size * connections * depth / BYTES_PER_SECOND,
                    count_calls=connections in COUNTED_CONNECTIONS
                    and not (options.quick and connections > 64),
                    # Alone on its connection, so that rounds are alike.
                    count_instructions=connections == 1,
                )


def plots(results):
    """What a request costs, against the number of connections."""
    series = {}
    for connections in CONNECTIONS:
        for result in results:
            if result.case == name_of(64, connections, 1):
                cost = result.samples.get(server_case.CPU_PER_REQUEST.name)
                if cost:
                    points = series.setdefault(result.subject, [])
                    points.append((connections, cost.median))
    return [
        Plot(
            "echo_cost",
            "Echo of 64 bytes, depth 1: cost against connections",
            "connections",
            "CPU us/request",
            series,
            log_y=False,
        )
    ]


SUITE = Suite(
    name="echo",
    title="Echo",
    text=(
        "One thread on one CPU sends back what comes, the load runs on another CPU."
        " Closed loop: on every connection `depth` messages are under way, always."
        " 10,000 connections with 16 times 16 KiB are more than the kernel's TCP memory"
        " (`tcp_mem`) on most machines: that case shows how servers fare while the"
        " kernel is short of it. The servers named \"limit\" are written by hand for this one purpose, and"
        " stand for what the machine can do."
    ),
    metrics=[
        server_case.CPU_PER_REQUEST,
        server_case.REQUESTS_PER_SECOND,
        server_case.SYSTEM_CALLS,
        server_case.INSTRUCTIONS,
        server_case.P99,
    ],
    cases=lambda options: list(cases(options)),
    plots=plots,
    seconds=0.4,
)
