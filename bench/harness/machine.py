"""The machine that measures: its CPUs, who else uses them, what is installed."""

import collections
import os
import platform
import resource
import subprocess
import time

# A machine that others use more than this gives no numbers to trust.
BUSY = 0.05

# Of TCP's memory, in the kernel's pages: 40 MiB.
MOST_TCP_PAGES = 10000

# Debian's packages whose versions belong to a result.
PACKAGES = (
    "g++",
    "libasio-dev",
    "libevent-2.1-7",
    "libjemalloc2",
    "liburing2",
    "libuv1",
    "memcached",
    "nginx-light",
    "wrk",
)

Cpus = collections.namedtuple("Cpus", "server load shared")


def split_cpus(server_threads):
    """Gives the server one CPU a thread, and others to the load if there are."""
    available = sorted(os.sched_getaffinity(0))
    others = available[server_threads:]
    if others:
        return Cpus(available[:server_threads], others[:server_threads], False)
    return Cpus(available, available, True)


def cpu_count():
    return len(os.sched_getaffinity(0))


def describe():
    """What a result must say of where it comes from; all of it plain text."""
    return {
        "machine": "%d CPUs, %s" % (cpu_count(), _cpu_model()),
        "kernel": "Linux " + platform.release(),
        "system": platform.freedesktop_os_release().get("PRETTY_NAME", "Linux"),
        "commit": _commit(),
        "versions": _versions(),
    }


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


def wait_for_quiet_network(patience_seconds=60):
    """Until the connections of what came before are gone from the kernel.

    Thousands of closed sockets with unsent bytes hold its TCP memory for a while,
    and make every connection slow that comes after them.
    """
    deadline = time.monotonic() + patience_seconds
    while time.monotonic() < deadline:
        with open("/proc/net/sockstat") as text:
            if network_is_quiet(text.read()):
                return
        time.sleep(0.05)


def network_is_quiet(sockstat):
    """By /proc/net/sockstat: few sockets without an owner, and little memory."""
    for line in sockstat.splitlines():
        if line.startswith("TCP: "):
            words = line.split()[1:]
            counts = dict(zip(words[::2], map(int, words[1::2])))
            return counts["orphan"] < 100 and counts["mem"] < MOST_TCP_PAGES
    return True


def raise_descriptor_limit():
    """10,000 connections need more than the usual 1,024; children inherit it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _cpu_model():
    with open("/proc/cpuinfo") as lines:
        for line in lines:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def _commit():
    def git(*arguments):
        return subprocess.check_output(
            ["git", *arguments], text=True, stderr=subprocess.DEVNULL
        ).strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no", "--", ":!docs")
        return git("rev-parse", "--short=12", "HEAD") + ("+changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _versions():
    try:
        output = subprocess.run(
            ["dpkg-query", "-W", "-f", "${Package}=${Version}\n", *PACKAGES],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # Those that are not installed.
            text=True,
        ).stdout
    except OSError:
        return {}
    pairs = (line.split("=", 1) for line in output.split())
    return {name: version for name, version in pairs if version}
