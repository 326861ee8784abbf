"""A case in which servers answer requests of bench/load."""

from harness import counting, machine, process
from harness.load import Load, latency_of
from harness.report import LOAD_SHARE
from harness.results import Metric
from harness.runner import Case

REQUESTS_PER_SECOND = Metric("requests/s", "%.0f", True)
CPU_PER_REQUEST = Metric("CPU us/request", "%.2f", False)
SYSTEM_CALLS = Metric("system calls/request", "%.2f", False)
INSTRUCTIONS = Metric("instructions/request", "%.0f", False)
P99 = Metric("p99 us", "%.0f", False)
LATENCIES = [Metric("p50 us", "%.0f", False), P99, Metric("p99.9 us", "%.0f", False)]
PEAK_MEMORY = Metric("peak memory MiB", "%.1f", False)


class ServerCase(Case):
    """`flags` go to the load. The servers have `threads` threads.

    `settling` is how long, in seconds, a load needs to become even: it is added
    to what is measured, and to the warm-up before.
    """

    def __init__(
        self,
        options,
        name,
        kinds,
        flags,
        threads=1,
        settling=0,
        count_calls=True,
        count_instructions=False,
    ):
        # A load that takes seconds to become even takes minutes for all servers.
        super().__init__(name, kinds, most_rounds=2 if settling > 1 else 100)
        self._options = options
        self._threads = threads
        self._settling = settling
        self._flags = {"threads": threads, **flags}
        self._cpus = machine.split_cpus(threads)
        self._load = Load(options.bin_folder, self._cpus)
        self._count_calls = count_calls
        self._count_instructions = count_instructions

    def start(self, kind, wrapper=()):
        return kind.start(self._threads, self._cpus.server, wrapper)

    def measure(self, kind):
        machine.wait_for_quiet_network()
        with self.start(kind) as server:
            result = self.run_load(
                kind,
                server,
                seconds=self._options.seconds + self._settling,
                warmup=0.25 * self._options.seconds + self._settling,
            )
            peak = process.peak_memory_bytes(server.pid)
        return {
            **self.metrics_of(result),
            PEAK_MEMORY.name: peak / 2**20,
            LOAD_SHARE: result["load_cpu_share"],
            "remarks": remarks_of(self.name, kind, result),
        }

    def metrics_of(self, result):
        return {
            REQUESTS_PER_SECOND.name: result["requests_per_second"],
            CPU_PER_REQUEST.name: 1e6
            * result["server_cpu_seconds"]
            / max(1, result["requests"]),
            **latency_of(result),
        }

    def run_load(self, kind, server, **flags):
        return self._load.run(kind, server, **{**self._flags, **flags})

    def count(self, kind):
        counted = {}
        if self._count_calls:
            # So many that every connection takes part in many rounds.
            many = 8 * self._flags["connections"] * self._flags.get("depth", 1)
            counted[SYSTEM_CALLS.name] = counting.system_calls_per_request(
                lambda wrapper: self.start(kind, wrapper),
                lambda server, requests: self._requests(kind, server, requests),
                max(2000, many),
                max(10000, 5 * many),
            )
        if self._count_instructions and kind.runs_under_valgrind:
            counted[INSTRUCTIONS.name] = self.instructions(kind)
        return counted

    def instructions(self, kind):
        return counting.instructions_per_request(
            lambda wrapper: self.start(kind, wrapper),
            lambda server, requests: self._requests(kind, server, requests),
            500,
            2500,
        )

    def _requests(self, kind, server, requests):
        result = self.run_load(kind, server, requests=requests, warmup=0)
        return result["total_requests"]


def remarks_of(case, kind, result):
    remarks = []
    if result.get("misses") or result.get("server_errors"):
        remarks.append(
            "%s, %s: some gets missed, or were answered SERVER_ERROR"
            % (case, kind.name)
        )
    if result.get("lost"):
        remarks.append("%s, %s: some datagrams were lost" % (case, kind.name))
    return remarks
