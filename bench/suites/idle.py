"""The memory of connections that do nothing."""

import socket
import time

from harness import machine, process, servers
from harness.plots import Plot
from harness.results import Metric
from harness.runner import Case, Suite

BYTES = Metric("bytes/connection", "%.0f", False)
TOTAL = "private bytes"

COUNTS = (100, 1000, 10000)

# What a client says first, and how long the answer is, by protocol.
SMALL = {
    "echo": (b"x" * 64, 64),
    "memcached": (b"version\r\n", len(b"VERSION 1\r\n")),
    "http": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", len(b"HTTP/1.1 200 OK\r\n")),
}
LARGE = {"echo": (b"x" * 16384, 16384)}
WAYS = {
    "connected": {protocol: (b"", 0) for protocol in SMALL},
    "after a small exchange": SMALL,
    "after 16 KiB": LARGE,
}
PLOTTED_WAY = "after a small exchange"


class IdleCase(Case):
    """`exchange` says what every connection does before it falls silent."""

    def __init__(self, name, kinds, connections, exchange):
        super().__init__(name, kinds)
        self._connections = connections
        self._exchange = exchange
        self._cpus = machine.split_cpus(1).server

    def measure(self, kind):
        request, answer_size = self._exchange[kind.protocol]
        with kind.start(1, self._cpus) as server:
            host, port = server.host_port.rsplit(":", 1)
            # The first connection makes what all others share.
            clients = [connect(host, port, request, answer_size)]
            before = settled_bytes(server.pid)
            try:
                for _ in range(self._connections):
                    clients.append(connect(host, port, request, answer_size))
                # Answered after all that came before it: everyone is served.
                clients.append(connect(host, port, *SMALL[kind.protocol]))
                after = settled_bytes(server.pid)
            finally:
                for client in clients:
                    client.close()
        return {BYTES.name: (after - before) / self._connections, TOTAL: after}


def connect(host, port, request, answer_size):
    client = socket.create_connection((host, int(port)), process.PATIENCE_SECONDS)
    if request:
        client.sendall(request)
    while answer_size > 0:
        received = client.recv(65536)
        if not received:
            raise RuntimeError("the server hung up")
        answer_size -= len(received)
    return client


def settled_bytes(pid):
    """Its memory, once it no longer uses any CPU time."""
    seen = None
    for _ in range(100):
        now = process.cpu_seconds(pid)
        if now == seen:
            break
        seen = now
        time.sleep(0.02)
    return process.resident_bytes(pid)


def cases(options):
    kinds = {
        "echo": [
            servers.percore_echo(options.bin_folder),
            servers.percore_echo(options.bin_folder, "Percore io_uring", "io_uring"),
            *servers.echo_peers(options.bin_folder),
        ],
        "memcached": [servers.percore_cache(options.bin_folder), servers.Memcached()],
        "HTTP": [servers.Nginx()],
    }
    return [
        IdleCase(name_of(group, connections, way), members, connections, exchange)
        for group, members in kinds.items()
        for way, exchange in WAYS.items()
        for connections in ((1000,) if options.quick else COUNTS)
        if members[0].protocol in exchange
    ]


def name_of(group, connections, way):
    return "%s, %d %s" % (group, connections, way)


def plots(results):
    series = {}
    for connections in COUNTS:
        for result in results:
            if result.case == name_of("echo", connections, PLOTTED_WAY):
                if TOTAL in result.samples:
                    points = series.setdefault(result.subject, [])
                    mebibytes = result.samples[TOTAL].median / 2**20
                    points.append((connections, mebibytes))
    return [
        Plot(
            "idle_memory",
            "Echo servers with idle connections, after a small exchange",
            "connections",
            "private memory, MiB",
            series,
        )
    ]


SUITE = Suite(
    name="idle",
    title="Idle connections",
    text=(
        "The server's private memory (user space) with N connections that are silent,"
        " less what it had with one. A small exchange is 64 bytes of echo, `version`,"
        " or a GET."
    ),
    metrics=[BYTES],
    cases=cases,
    plots=plots,
    # Memory is the same each time.
    rounds=2,
)
