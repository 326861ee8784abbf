"""Processes that are started, watched and ended for a measurement."""

import contextlib
import os
import signal
import subprocess
import tempfile
import time

# How long a process may take to start or stop.
PATIENCE_SECONDS = 30


class Unavailable(Exception):
    """What should be measured cannot run on this machine; says why."""


def run(command, cpus=None, timeout=None):
    """Runs a command to its end, and returns what it printed."""
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=timeout,
        preexec_fn=_pin_to(cpus) if cpus else None,
    )
    if done.returncode != 0:
        words = " ".join(map(str, command))
        message = "%s: %s" % (words, done.stderr.strip() or done.returncode)
        raise _failure(done.returncode)(message)
    return done.stdout


def _failure(status):
    # 3 is how our own programs say that the machine lacks something.
    return Unavailable if status == 3 else RuntimeError


def start_pinned(command, cpus, **options):
    return subprocess.Popen(command, preexec_fn=_pin_to(cpus), **options)


def _pin_to(cpus):
    return lambda: os.sched_setaffinity(0, cpus)


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


@contextlib.contextmanager
def output_file():
    """A file for a process' output: a pipe that nobody reads could fill up."""
    with tempfile.NamedTemporaryFile("w", suffix=".log") as output:
        yield output


def read_text(path):
    with open(path, errors="replace") as text:
        return text.read()


def wait_until(condition, process=None, log=None):
    """Until `condition` gives something true, which is returned."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        found = condition()
        if found:
            return found
        if process is not None and process.poll() is not None:
            said = read_text(log).strip() if log else ""
            message = "%s ended: %s" % (process.args[0], said or process.returncode)
            raise _failure(process.returncode)(message)
        if time.monotonic() > deadline:
            raise RuntimeError("waited in vain")
        time.sleep(0.005)


def cpu_seconds(pid):
    """The CPU time of a process and all its threads, user and system."""
    return time.clock_gettime(_cpu_clock(pid))


def _cpu_clock(pid):
    # What clock_getcpuclockid(3) gives: the scheduler's clock of a process.
    return (~pid << 3) | 2


def resident_bytes(pid):
    """The memory that is the process' own: what it does not share with others."""
    total = 0
    with open("/proc/%d/smaps_rollup" % pid) as lines:
        for line in lines:
            if line.startswith(("Private_Clean:", "Private_Dirty:")):
                total += int(line.split()[1]) * 1024
    return total


def children_of(pid):
    with open("/proc/%d/task/%d/children" % (pid, pid)) as text:
        return [int(child) for child in text.read().split()]


def peak_memory_bytes(pid):
    with open("/proc/%d/status" % pid) as lines:
        for line in lines:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    raise RuntimeError("the process is gone")
