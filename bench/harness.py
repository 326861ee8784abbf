"""What the benchmarks in this folder share: CPUs, servers, load, and tables.

A benchmark is an executable Python program in bench/; `./dev bench` builds what
it measures and calls it with --bin_folder.
"""

import collections
import contextlib
import json
import os
import platform
import signal
import statistics
import subprocess
import tempfile
import time

# How long a server may take to start or stop, and a load to get going.
PATIENCE_SECONDS = 30

# A load thread that is busier than this may be what limits the result.
SATURATED = 0.9

# A machine that others use more than this gives no numbers to trust.
BUSY = 0.05

# Differences below this are nobody's win.
WORTH_NAMING = 0.03

# Medians whose rounds differ by more than this are marked.
WIDE_SPREAD = 0.1


# --- CPUs --------------------------------------------------------------------

Cpus = collections.namedtuple("Cpus", "server load shared")


def split_cpus(server_threads):
    """Gives the server one CPU a thread, and others to the load if there are."""
    available = sorted(os.sched_getaffinity(0))
    others = available[server_threads:]
    if others:
        return Cpus(available[:server_threads], others[:server_threads], False)
    return Cpus(available, available, True)


def describe_machine():
    model = platform.processor() or platform.machine()
    with open("/proc/cpuinfo") as lines:
        for line in lines:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    count = len(os.sched_getaffinity(0))
    return "%d CPUs (%s), Linux %s" % (count, model, platform.release())


def busy_share(seconds=0.5):
    """How much of the machine's CPU time others use, while we sleep."""

    def read():
        with open("/proc/stat") as lines:
            times = [int(word) for word in lines.readline().split()[1:9]]
        return sum(times), times[3] + times[4]  # All of it; idle and waiting.

    total_before, idle_before = read()
    time.sleep(seconds)
    total_after, idle_after = read()
    passed = total_after - total_before
    return 1 - (idle_after - idle_before) / passed if passed else 0.0


# --- Servers -----------------------------------------------------------------


class Server:
    """A server under test. `kind` says how its programs are started."""

    def __init__(self, process, host_port):
        self.process = process
        self.pid = process.pid
        self.host_port = host_port

    def peak_memory_bytes(self):
        with open("/proc/%d/status" % self.pid) as lines:
            for line in lines:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
        raise RuntimeError("the server is gone")


class Memcached:
    """Debian's memcached, with its defaults but for threads and memory."""

    def __init__(self, name="memcached"):
        self.name = name

    def describe(self):
        version = subprocess.check_output(["memcached", "--version"], text=True)
        return version.strip()

    def command(self, threads, cpus, memory_mb):
        return [
            "memcached",
            "--user=root",  # Which root must say, and nobody else minds.
            "--listen=127.0.0.1",
            "--port=-1",
            "--udp-port=0",
            "--threads=%d" % threads,
            "--memory-limit=%d" % memory_mb,
        ]

    @contextlib.contextmanager
    def start(self, threads, cpus, memory_mb, wrapper=()):
        with tempfile.TemporaryDirectory() as folder:
            port_file = os.path.join(folder, "port")
            process = start_pinned(
                [*wrapper, *self.command(threads, cpus, memory_mb)],
                cpus,
                env={**os.environ, "MEMCACHED_PORT_FILENAME": port_file},
                stdout=subprocess.DEVNULL,
            )
            with stopping(process):
                # It renames the file into place: complete once it exists.
                wait_until(lambda: os.path.exists(port_file), process)
                with open(port_file) as lines:
                    port = lines.readline().split(":")[1].strip()
                yield Server(process, "127.0.0.1:" + port)


class CacheServer:
    """Percore's examples/cache_server."""

    name = "percore"

    def __init__(self, bin_folder, backend):
        self.program = os.path.join(bin_folder, "examples", "cache_server")
        self.backend = backend

    def describe(self):
        return "examples/cache_server --backend=%s" % self.backend

    def command(self, threads, cpus, memory_mb):
        return [
            self.program,
            "--listen=127.0.0.1:0",
            "--metrics=127.0.0.1:0",
            "--shards=%d" % threads,
            "--cpus=" + join(cpus[:threads]),
            "--memory_mb=%d" % memory_mb,
            "--backend=" + self.backend,
        ]

    @contextlib.contextmanager
    def start(self, threads, cpus, memory_mb, wrapper=()):
        # Its output goes to a file: a pipe that nobody reads could fill up.
        with tempfile.NamedTemporaryFile("w") as output:
            process = start_pinned(
                [*wrapper, *self.command(threads, cpus, memory_mb)],
                cpus,
                stdout=output,
            )
            with stopping(process):
                wait_until(lambda: self._host_port(output.name), process)
                yield Server(process, self._host_port(output.name))

    @staticmethod
    def _host_port(path):
        with open(path) as lines:
            for line in lines:
                words = line.split()
                if words[:2] == ["listening", "on"] and line.endswith("\n"):
                    return words[2]
        return None


def start_pinned(command, cpus, **options):
    return subprocess.Popen(
        command, preexec_fn=lambda: os.sched_setaffinity(0, cpus), **options
    )


@contextlib.contextmanager
def stopping(process):
    """Ends the process in the end, and by force if it does not end by itself."""
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise


def wait_until(condition, process=None):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if process is not None and process.poll() is not None:
            raise RuntimeError("%s ended" % process.args)
        if time.monotonic() > deadline:
            raise RuntimeError("waited in vain")
        time.sleep(0.01)


# --- Load --------------------------------------------------------------------


def run_load(bin_folder, server, cpus, **flags):
    """Runs memcached_load, and returns what it says.

    Its threads are pinned, unless they share the server's CPUs: there the
    scheduler finds better places than we would.
    """
    if not cpus.shared:
        flags["cpus"] = join(cpus.load)
    command = [os.path.join(bin_folder, "bench", "load", "memcached_load")]
    command += ["--host_port=" + server.host_port, "--server_pid=%d" % server.pid]
    command += ["--%s=%s" % flag for flag in flags.items()]
    limit = flags.get("seconds", 0) + 10 * PATIENCE_SECONDS
    return json.loads(subprocess.check_output(command, timeout=limit))


def count_system_calls(start, load):
    """System calls of a server for each request, by all its threads.

    `start(wrapper)` starts the server under another program, `load(server,
    requests)` runs a load of about so many requests. Done twice, once with many
    more requests than the other time: what starting, connecting and stopping
    cost is in both, and cancels out.

    strace makes the server slow, so more may gather in each round of its loop
    than otherwise: good for comparing, less so as an absolute number.
    """
    counts = []
    for requests in (2000, 10000):
        with tempfile.NamedTemporaryFile("r") as report:
            # -D: strace becomes a child of the server, not the other way round,
            # so that the process we started is the server.
            wrapper = ["strace", "-D", "-f", "-c", "-U", "calls,name"]
            with start([*wrapper, "-o", report.name]) as server:
                total_requests = load(server, requests)["total_requests"]
            # strace writes it when the server has ended.
            wait_until(lambda: total_of(report.name) is not None)
            counts.append((total_of(report.name), total_requests))
    (few_calls, few_requests), (many_calls, many_requests) = counts
    return (many_calls - few_calls) / (many_requests - few_requests)


def total_of(strace_report):
    with open(strace_report) as lines:
        for line in lines:
            words = line.split()
            if words[1:] == ["total"]:
                return int(words[0])
    return None


# --- Results -----------------------------------------------------------------

# `format` prints a value; `more_is_better` says who wins.
Metric = collections.namedtuple("Metric", "name format more_is_better")


class Samples:
    """The values of one metric over the rounds."""

    def __init__(self, values):
        self.values = list(values)
        self.median = statistics.median(self.values)

    def spread(self):
        """How far apart the rounds are, as a share of the median."""
        if not self.median:
            return 0.0
        return (max(self.values) - min(self.values)) / self.median

    def overlaps(self, other):
        ours, theirs = self.values, other.values
        return min(ours) <= max(theirs) and min(theirs) <= max(ours)


def verdict(metric, ours, theirs):
    """Better or worse if the difference is worth it and no round contradicts."""
    difference = abs(ours.median - theirs.median)
    if ours.overlaps(theirs) or difference < WORTH_NAMING * theirs.median:
        return "even"
    wins = (ours.median > theirs.median) == metric.more_is_better
    return "better" if wins else "worse"


def print_comparison(metrics, names, ours, theirs):
    """A table; `ours` and `theirs` map the names of metrics to Samples."""
    print("  %-22s %14s %14s %9s" % ("", *names, "ratio"))
    for metric in metrics:
        if metric.name not in ours:
            continue
        mine, other = ours[metric.name], theirs[metric.name]
        ratio = mine.median / other.median if other.median else float("nan")
        print(
            "  %-22s %13s%s %13s%s %9.2f  %s"
            % (
                metric.name,
                metric.format % mine.median,
                "!" if mine.spread() > WIDE_SPREAD else " ",
                metric.format % other.median,
                "!" if other.spread() > WIDE_SPREAD else " ",
                ratio,
                verdict(metric, mine, other),
            )
        )


def save_json(name, content):
    """Keeps the numbers in .dev/bench/, for whoever wants to compare later."""
    folder = os.path.join(os.path.dirname(__file__), "..", ".dev", "bench")
    os.makedirs(folder, exist_ok=True)
    path = os.path.normpath(os.path.join(folder, name + ".json"))
    with open(path, "w") as output:
        json.dump(content, output, indent=1)
    return os.path.relpath(path)


def join(values):
    return ",".join(map(str, values))
