"""The harness measured by itself: a server beside itself must be its equal."""

from harness import server_case, servers
from harness.results import ratio
from harness.runner import Suite
from harness.server_case import ServerCase

# What chance may add to the spread that was seen.
TOLERANCE = 0.02

CHECKED = (server_case.CPU_PER_REQUEST, server_case.REQUESTS_PER_SECOND)


def cases(options):
    kinds = [
        servers.percore_echo(options.bin_folder, "Percore (A)"),
        servers.percore_echo(options.bin_folder, "Percore (B)"),
    ]
    return [
        ServerCase(
            options,
            "echo, 64 B, 64 connections, depth %d" % depth,
            kinds,
            {"connections": 64, "depth": depth, "message_size": 64},
            count_calls=False,
        )
        for depth in (1, 16)
    ]


def check(results):
    """What differs more than the rounds themselves do."""
    wrong = []
    for first, second in zip(results[::2], results[1::2]):
        for metric in CHECKED:
            ours, theirs = first.samples[metric.name], second.samples[metric.name]
            spread = max(ours.spread(), theirs.spread())
            if abs(ratio(ours, theirs) - 1) > spread + TOLERANCE:
                wrong.append(
                    "%s, %s: the same server is %.2f times itself, with a spread of"
                    " %.2f" % (first.case, metric.name, ratio(ours, theirs), spread)
                )
    return wrong


SUITE = Suite(
    name="self_test",
    title="The same server twice",
    text=(
        "Percore's echo server beside itself: the ratio must be 1 within the spread of"
        " the rounds (and %d%%). What differs less than this says nothing."
        % (100 * TOLERANCE)
    ),
    metrics=list(CHECKED) + server_case.LATENCIES[:2],
    cases=cases,
    check=check,
)
