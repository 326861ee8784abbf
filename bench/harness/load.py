"""Runs bench/load/load, or datagram_load, against a server."""

import json
import os

from harness import process

# Percentiles, and the names of their metrics.
LATENCIES = {
    50: "p50 us",
    90: "p90 us",
    99: "p99 us",
    99.9: "p99.9 us",
    99.99: "p99.99 us",
}

# The program that speaks a protocol, where that is not `load`.
PROGRAMS = {"udp_echo": "datagram_load"}


class Load:
    """`cpus` as machine.split_cpus() gives them."""

    def __init__(self, bin_folder, cpus):
        self._folder = os.path.join(bin_folder, "bench", "load")
        self._cpus = cpus

    def run(self, kind, server, **flags):
        """Runs it, and returns what it says.

        Its threads are pinned, unless they share the server's CPUs: there the
        scheduler finds better places than we would.
        """
        if not self._cpus.shared:
            flags["cpus"] = ",".join(map(str, self._cpus.load))
        command = [
            os.path.join(self._folder, PROGRAMS.get(kind.protocol, "load")),
            "--host_port=" + server.host_port,
            "--server_pid=%d" % server.pid,
            "--payload=" + kind.protocol,
        ]
        command += ["--%s=%s" % flag for flag in sorted(flags.items())]
        limit = flags.get("seconds", 0) + 10 * process.PATIENCE_SECONDS
        return json.loads(process.run(command, timeout=limit))


def latency_of(result):
    """The latency metrics of a load's result."""
    return {
        name: result["latency_us"]["p%g" % each]
        for each, name in LATENCIES.items()
    }
