"""bench/load beside other load generators, on the same servers."""

import re

from harness import machine, process, server_case, servers
from harness.results import Metric
from harness.runner import Case, Suite
from harness.server_case import ServerCase

CONNECTIONS = 64


class GeneratorCase(Case):
    """The first subject is bench/load."""

    def __init__(self, options, name, kind, flags, other_name, run):
        self._ours = ServerCase(options, name, [kind], flags, count_calls=False)
        self._options = options
        self._kind = kind
        super().__init__(name, [Named("bench/load"), Named(other_name)])
        self._run = run

    def measure(self, subject):
        if subject is self.subjects[0]:
            return self._ours.measure(self._kind)
        cpus = machine.split_cpus(1)
        with self._ours.start(self._kind) as server:
            before = process.cpu_seconds(server.pid)
            requests, seconds = self._run(server, self._options.seconds, cpus.load)
            used = process.cpu_seconds(server.pid) - before
        return {
            server_case.REQUESTS_PER_SECOND.name: requests / seconds,
            server_case.CPU_PER_REQUEST.name: 1e6 * used / requests,
        }


class Named:
    def __init__(self, name):
        self.name = name


def run_wrk(server, seconds, cpus):
    output = process.run(
        [
            "wrk",
            "--threads=1",
            "--connections=%d" % CONNECTIONS,
            "--duration=%d" % max(1, round(seconds)),
            "http://%s/" % server.host_port,
        ],
        cpus,
    )
    found = re.search(r"(\d+) requests in ([\d.]+)(ms|s|m),", output)
    unit = {"ms": 1e-3, "s": 1, "m": 60}[found.group(3)]
    return int(found.group(1)), float(found.group(2)) * unit


def run_memcslap(server, seconds, cpus):
    each = max(100, round(350 * seconds))
    output = process.run(
        [
            "memcslap",
            "--servers=" + server.host_port,
            "--concurrency=%d" % CONNECTIONS,
            "--execute-number=%d" % each,
            "--test=set",
            "--tcp-nodelay",
        ],
        cpus,
    )
    found = re.search(r"Time to set +(\d+) keys .*: +([\d.]+) seconds", output)
    return int(found.group(1)), float(found.group(2))


def cases(options):
    return [
        GeneratorCase(
            options,
            "nginx, GET of 64 B",
            servers.Nginx(),
            {"connections": CONNECTIONS, "depth": 1},
            "wrk",
            run_wrk,
        ),
        GeneratorCase(
            options,
            "memcached, set of 2.5 kB",
            servers.Memcached(),
            {
                "connections": CONNECTIONS,
                "depth": 1,
                "keys": 10000,
                "value_size": 2500,
                "set_ratio": 1,
            },
            "memcslap",
            run_memcslap,
        ),
    ]


SUITE = Suite(
    name="generator",
    title="The load generator itself",
    text=(
        "bench/load against the same server as wrk and memcslap, in turn: what a"
        " request costs the server must not depend on who asks. (How many requests a"
        " second are made does: a faster generator makes more.) memcslap uses %d"
        " threads with a blocking connection each." % CONNECTIONS
    ),
    metrics=[server_case.CPU_PER_REQUEST, server_case.REQUESTS_PER_SECOND],
    cases=cases,
    # wrk counts in whole seconds.
    seconds=1,
    quick_seconds=1,
)
