"""Latency at a given rate, without coordinated omission."""

from harness import server_case, servers
from harness.load import LATENCIES
from harness.plots import latency_plot
from harness.results import Metric
from harness.runner import Suite
from harness.server_case import ServerCase

RATES = (10000, 30000)
CONNECTIONS = 64


def name_of(rate):
    return "%d requests/s" % rate


def cases(options):
    kinds = [servers.percore_echo(options.bin_folder)]
    kinds += servers.echo_peers(options.bin_folder)
    for rate in RATES:
        yield ServerCase(
            options,
            name_of(rate),
            kinds,
            {
                "connections": CONNECTIONS,
                "rate": rate,
                "arrivals": "poisson",
                "message_size": 64,
            },
            count_calls=False,
        )


def plots(results):
    return [
        latency_plot(
            "latency_%d" % rate,
            "Echo of 64 bytes, %d connections, %d requests/s" % (CONNECTIONS, rate),
            [result for result in results if result.case == name_of(rate)],
            LATENCIES,
        )
        for rate in RATES
    ]


SUITE = Suite(
    name="latency",
    title="Latency at a given rate",
    text=(
        "Open loop: echo of 64 bytes over %d connections, requests due at random"
        " times (Poisson) at the given rate, whatever the server does. Latency counts"
        " from when a request was due, so a server that stops is charged for all that"
        " should have been sent meanwhile." % CONNECTIONS
    ),
    metrics=[
        *(Metric(name, "%.0f", False) for name in LATENCIES.values()),
        server_case.CPU_PER_REQUEST,
    ],
    cases=lambda options: list(cases(options)),
    plots=plots,
)
