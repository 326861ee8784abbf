"""Connections that come, ask once, and go."""

from harness import server_case, servers
from harness.results import Metric
from harness.runner import Suite
from harness.server_case import ServerCase

PER_CPU_SECOND = Metric("connections/CPU second", "%.0f", True)
PER_SECOND = Metric("connections/s", "%.0f", True)
CALLS = Metric("system calls/connection", "%.2f", False)


class ChurnCase(ServerCase):
    def metrics_of(self, result):
        return {
            PER_CPU_SECOND.name: result["connections_completed"]
            / max(1e-9, result["server_cpu_seconds"]),
            PER_SECOND.name: result["connections_per_second"],
        }

    def count(self, kind):
        # One request each: what is counted for a request is for a connection.
        counted = super().count(kind)
        return {CALLS.name: counted.get(server_case.SYSTEM_CALLS.name)}


def cases(options):
    flags = {"connections": 64, "depth": 1, "requests_per_connection": 1}
    echo = [
        servers.percore_echo(options.bin_folder),
        servers.percore_echo(options.bin_folder, "Percore io_uring", "io_uring"),
    ]
    echo += servers.echo_peers(options.bin_folder)
    caches = [servers.percore_cache(options.bin_folder), servers.Memcached()]
    return [
        ChurnCase(options, "echo, 64 B", echo, {**flags, "message_size": 64}),
        ChurnCase(options, "memcached", caches, {**flags, "keys": 100}),
        ChurnCase(options, "HTTP, 64 B", [servers.Nginx()], flags),
    ]


SUITE = Suite(
    name="churn",
    title="Connection churn",
    text=(
        "64 clients connect, ask once, shut down their side, wait for the server's"
        " end, and begin again. nginx answers HTTP, which is more work than an echo;"
        " it stands here for the order of magnitude."
    ),
    metrics=[PER_CPU_SECOND, PER_SECOND, CALLS],
    cases=cases,
)
