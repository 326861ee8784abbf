"""UDP echo servers: small and large datagrams, few and many peers."""

from harness import server_case, servers
from harness.results import Metric
from harness.runner import Suite
from harness.server_case import ServerCase

PACKETS_PER_CPU_SECOND = Metric("packets/CPU second", "%.0f", True)

SIZES = (64, 1400)

# Flows, and datagrams under way on each.
LOADS = ((1, 1), (1, 64), (64, 1), (64, 16))
QUICK = ((64, 64, 1), (64, 64, 16), (1400, 64, 16))


class UdpCase(ServerCase):
    def metrics_of(self, result):
        return {
            PACKETS_PER_CPU_SECOND.name: result["requests"]
            / max(1e-9, result["server_cpu_seconds"]),
            **super().metrics_of(result),
        }


def cases(options):
    kinds = [
        servers.percore_udp_echo(options.bin_folder),
        servers.percore_udp_echo(
            options.bin_folder, "Percore plain", flags=["--offload=0"]
        ),
        servers.percore_udp_echo(options.bin_folder, "Percore io_uring", "io_uring"),
    ]
    kinds += servers.udp_echo_peers(options.bin_folder)

    def case(size, flows, depth, offload):
        name = "%d B, %d flow%s, depth %d" % (size, flows, "s" * (flows > 1), depth)
        return UdpCase(
            options,
            name + ", offloaded" * offload,
            kinds,
            {
                "connections": flows,
                "depth": depth,
                "message_size": size,
                "offload": "true" if offload else "false",
            },
            count_calls=not options.quick,
            # Without waiting for each other, so that rounds are alike.
            count_instructions=flows == 1 and depth == 64 and not offload,
        )

    for size in SIZES:
        for flows, depth in LOADS:
            if not options.quick or (size, flows, depth) in QUICK:
                yield case(size, flows, depth, False)
    yield case(1400, 64, 16, True)


SUITE = Suite(
    name="udp",
    title="UDP echo",
    text=(
        "One thread on one CPU sends every datagram back, the load runs on another CPU."
        " Closed loop: each flow is a socket of its own, on which `depth` datagrams are"
        " under way always. Where it says offloaded, the load gives the kernel the"
        " datagrams of a flow as one (`UDP_SEGMENT`), and so they arrive together, as"
        " from a network card that coalesces them. \"limit: offload\" takes and sends as"
        " one what came as one; Percore does so too, and sends as one whatever run of"
        " one size goes to one peer, but for \"Percore plain\" (`--offload=0`), which, as"
        " all others, gets and sends datagrams one by one."
    ),
    metrics=[
        PACKETS_PER_CPU_SECOND,
        server_case.CPU_PER_REQUEST,
        server_case.REQUESTS_PER_SECOND,
        server_case.SYSTEM_CALLS,
        server_case.INSTRUCTIONS,
        server_case.P99,
    ],
    cases=lambda options: list(cases(options)),
    seconds=0.4,
)
