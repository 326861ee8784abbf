"""How exact rate limits are, and how fair."""

import json
import os

from harness import machine, process, servers
from harness.plots import Plot
from harness.results import Metric
from harness.runner import Case, Suite

MEMBERS = 1000
RATE = 20_000_000
# Milliseconds, as bench/rates/sink names its windows.
SCALES = (10, 100, 1000, 10000)
SECONDS = {False: 10, True: 1}

DEVIATION = {
    scale: Metric("%d ms: off by %%" % scale, "%.2f", False) for scale in SCALES
}
FAIRNESS = {scale: Metric("%d ms: Jain" % scale, "%.4f", True) for scale in SCALES}


class FairnessCase(Case):
    def __init__(self, options, name, kinds, threads):
        super().__init__(name, kinds, most_rounds=2)
        self._threads = threads
        self._cpus = machine.split_cpus(threads)
        self._sink = os.path.join(options.bin_folder, "bench", "rates", "sink")
        self._seconds = SECONDS[options.quick]

    def measure(self, kind):
        with kind.start(self._threads, self._cpus.server) as server:
            pinned = []
            if not self._cpus.shared:
                pinned = ["taskset", "-c", "%d" % self._cpus.load[0]]
            command = [
                *pinned,
                self._sink,
                "--host_port=" + server.host_port,
                "--connections=%d" % MEMBERS,
                "--rate=%d" % RATE,
                "--seconds=%d" % self._seconds,
            ]
            limit = self._seconds + 3 * process.PATIENCE_SECONDS
            windows = json.loads(process.run(command, timeout=limit))["windows_ms"]
        measured = {}
        for scale in SCALES:
            window = windows.get(str(scale))
            if window:
                measured[DEVIATION[scale].name] = 100 * window["deviation"]
                measured[FAIRNESS[scale].name] = window["jain"]
        return measured


def cases(options):
    def source(name, library, flags):
        program = "%s_source" % library
        path = os.path.join(options.bin_folder, "bench", "rates", program)
        return servers.Announced(name, "source", path, flags)

    def percore(name, backend):
        flags = servers.percore_flags
        return source(
            name, "percore", lambda *where: [*flags(*where), "--backend=" + backend]
        )

    ours = [percore("Percore", "epoll"), percore("Percore io_uring", "io_uring")]
    libevent = source("libevent", "libevent", lambda *_: [])
    return [
        FairnessCase(options, "one shard", [*ours, libevent], 1),
        FairnessCase(options, "two shards", ours, 2),
    ]


def plots(results):
    def series(metrics):
        drawn = {}
        for result in results:
            for scale, metric in metrics.items():
                sample = result.samples.get(metric.name)
                if sample:
                    name = "%s, %s" % (result.subject, result.case)
                    drawn.setdefault(name, []).append((scale, sample.median))
        return drawn

    return [
        Plot(
            "rate_fairness",
            "1,000 busy members of a group: fairness",
            "window, ms",
            "Jain's index",
            series(FAIRNESS),
            log_y=False,
        ),
        Plot(
            "rate_accuracy",
            "1,000 busy members of a group: distance from the rate",
            "window, ms",
            "percent",
            series(DEVIATION),
        ),
    ]


SUITE = Suite(
    name="rate_fairness",
    title="Rate limits: how exact and how fair",
    text=(
        "A server sends to 1,000 clients as much as it may: 20 MB a second for all"
        " together, with a tick of 10 ms and a burst of 1 MB. The client adds up what"
        " comes on each connection in windows of 10 ms to 10 s: how far the sum is"
        " from the rate, on average, and Jain's index of fairness, which is 1 if all"
        " got the same. A tick has 200 bytes for each. Server and client have a CPU"
        " each; with two shards they share two, and part of what is off in short"
        " windows is who is on the CPU when."
    ),
    metrics=[*DEVIATION.values(), *FAIRNESS.values()],
    cases=cases,
    plots=plots,
    rounds=2,
)
