"""What Prometheus costs: cache_server with and without being scraped."""

import contextlib
import threading
import urllib.request

from harness import process, server_case, servers
from harness.runner import Suite
from harness.server_case import ServerCase

SCRAPE_INTERVAL_SECONDS = 0.1


class Scraped(servers.Announced):
    """A cache server that is scraped while it runs, as Prometheus does it."""

    def __init__(self, bin_folder, name):
        plain = servers.percore_cache(bin_folder, name, ["--metrics=127.0.0.1:0"])
        super().__init__(name, plain.protocol, plain.program, plain.flags)

    @contextlib.contextmanager
    def start(self, threads, cpus, wrapper=()):
        with super().start(threads, cpus, wrapper) as server:
            url = process.wait_until(lambda: _metrics_url(server.log))
            stop = threading.Event()
            scraper = threading.Thread(target=_scrape, args=(url, stop))
            scraper.start()
            try:
                yield server
            finally:
                stop.set()
                scraper.join()


def _metrics_url(log):
    for line in process.read_text(log).splitlines():
        if line.startswith("metrics on "):
            return line.split()[-1]
    return None


def _scrape(url, stop):
    while not stop.wait(SCRAPE_INTERVAL_SECONDS):
        with urllib.request.urlopen(url, timeout=process.PATIENCE_SECONDS) as page:
            page.read()


def cases(options):
    kinds = [
        Scraped(options.bin_folder, "scraped"),
        servers.percore_cache(options.bin_folder, "no exporter"),
    ]
    return [
        ServerCase(
            options,
            "depth %d" % depth,
            kinds,
            {"connections": 64, "depth": depth, "keys": 10000, "value_size": 100},
            count_calls=False,
        )
        for depth in (1, 16)
    ]


SUITE = Suite(
    name="metrics",
    title="Cost of metrics",
    text=(
        "cache_server with its exporter on and scraped ten times a second (Prometheus"
        " scrapes every 15 to 60 seconds), and without exporter. CPU time is that of"
        " the whole process, the exporter's threads included. Counting is always on."
    ),
    metrics=[
        server_case.CPU_PER_REQUEST,
        server_case.REQUESTS_PER_SECOND,
        *server_case.LATENCIES,
    ],
    cases=cases,
)
