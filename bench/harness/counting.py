"""Counts what does not depend on how busy the machine is: calls, instructions.

Everything here is counted twice, once with more requests than the other time,
and subtracted: what starting, connecting and stopping cost is in both.
"""

import os
import re
import shutil
import subprocess
import tempfile

from harness.process import read_text, run, wait_until


def per_request(count, few, many):
    """`count(requests)` gives (what was counted, requests that were made).

    What hardly grows with the requests may come out below zero by chance.
    """
    few_counted, few_made = count(few)
    many_counted, many_made = count(many)
    return max(0.0, (many_counted - few_counted) / (many_made - few_made))


# --- System calls ------------------------------------------------------------


def system_calls_per_request(start, load, few, many):
    """System calls of a server, by all its threads, for each request.

    `start(wrapper)` starts the server under another program, and `load(server,
    requests)` makes about so many requests, and returns how many.

    perf's tracepoint hardly disturbs the server. Where it is forbidden, strace
    does; it makes the server slow, so that more may gather in each round of its
    loop. None where there is neither.
    """
    if _perf_counts():

        def count(requests):
            with start(()) as server:
                return _perf_count(server, lambda: load(server, requests))

    elif shutil.which("strace"):

        def count(requests):
            return _strace_count(start, lambda server: load(server, requests))

    else:
        return None
    return per_request(count, few, many)


_PERF = ["perf", "stat", "-x", ",", "-e", "raw_syscalls:sys_enter"]


def _perf_counts():
    if not shutil.which("perf"):
        return False
    done = subprocess.run(
        [*_PERF, "--", "true"], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    return done.returncode == 0 and perf_total(done.stderr.decode()) is not None


def _perf_count(server, load):
    with tempfile.NamedTemporaryFile("r") as report:
        # perf counts as long as its child lives, which ends when we say so.
        command = [*_PERF, "-o", report.name, "-p", str(server.pid), "--", "sh", "-c"]
        script = "echo counting; read line; exit 0"
        with subprocess.Popen(
            [*command, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as perf:
            perf.stdout.readline()
            made = load()
            perf.stdin.close()
            perf.wait()
        return perf_total(read_text(report.name)), made


def perf_total(report):
    """The count in what `perf stat -x ,` writes; None if it counted nothing."""
    for line in report.splitlines():
        fields = line.split(",")
        if len(fields) > 2 and fields[2] == "raw_syscalls:sys_enter":
            return int(fields[0]) if fields[0].isdigit() else None
    return None


def _strace_count(start, load):
    with tempfile.NamedTemporaryFile("r") as report:
        # -D: strace becomes a child of the server, not the other way round, so
        # that the process we started is the server.
        wrapper = ["strace", "-D", "-f", "-c", "-U", "calls,name", "-o", report.name]
        with start(wrapper) as server:
            made = load(server)
        # strace writes it when the server has ended.
        return wait_until(lambda: strace_total(read_text(report.name))), made


def strace_total(report):
    """The sum in what `strace -c -U calls,name` writes."""
    for line in report.splitlines():
        words = line.split()
        if words[1:] == ["total"]:
            return int(words[0])
    return None


# --- Instructions ------------------------------------------------------------


def callgrind(out):
    """The command that counts a program's instructions into the file `out`."""
    return [
        "valgrind",
        "--tool=callgrind",
        "--callgrind-out-file=" + out,
        "--quiet",
        "--error-exitcode=0",
    ]


def callgrind_total(report):
    """Instructions of the whole program, in user space, by all its threads."""
    found = re.search(r"^(?:totals|summary): (\d+)$", report, re.MULTILINE)
    return int(found.group(1)) if found else None


def instructions_of_command(command, cpus=None):
    """Runs a command to its end; returns its instructions."""
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "out")
        run([*callgrind(out), *command], cpus)
        return callgrind_total(read_text(out))


def instructions_per_request(start, load, few, many):
    """As system_calls_per_request(); None where there is no valgrind."""
    if not shutil.which("valgrind"):
        return None

    def count(requests):
        with tempfile.TemporaryDirectory() as folder:
            out = os.path.join(folder, "out")
            with start(callgrind(out)) as server:
                made = load(server, requests)
            return callgrind_total(read_text(out)), made

    return per_request(count, few, many)
