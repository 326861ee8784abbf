"""Programs made with Google Benchmark: one for each library, the same cases."""

import collections
import json
import os
import re
import shutil

from harness import counting, machine, process
from harness.results import Metric
from harness.runner import Case

CPU_TIME = Metric("CPU ns/operation", "%.1f", False)
REAL_TIME = Metric("ns/operation", "%.1f", False)
INSTRUCTIONS = Metric("instructions/operation", "%.1f", False)

Program = collections.namedtuple("Program", "name path")


def programs(bin_folder, folder, paths):
    """`paths` maps a library's name to its program in bench/`folder`."""
    return [
        Program(name, os.path.join(bin_folder, "bench", folder, path))
        for name, path in paths.items()
    ]


# What Google Benchmark adds to a name: how it measures.
_SUFFIX = "(/process_time|/real_time|/iterations:[0-9]+)*$"


def list_cases(program):
    output = process.run([program.path, "--benchmark_list_tests"])
    return [re.sub(_SUFFIX, "", name) for name in output.split()]


class MicroCase(Case):
    """One benchmark, in the programs that have it."""

    def __init__(self, options, name, programs_with_it, threads=1, iterations=()):
        super().__init__(name, programs_with_it)
        self._options = options
        self._cpus = sorted(os.sched_getaffinity(0))[:threads]
        # A few and many, for counting instructions; none to leave it out.
        self._iterations = iterations

    def measure(self, program):
        result = self._run(
            program, "--benchmark_min_time=%g" % self._options.seconds
        )
        return {
            CPU_TIME.name: _nanoseconds(result, "cpu_time") / result["operations"],
            REAL_TIME.name: _nanoseconds(result, "real_time") / result["operations"],
        }

    def count(self, program):
        if not self._iterations or not shutil.which("valgrind"):
            return {}
        return {INSTRUCTIONS.name: self.instructions(program)}

    def instructions(self, program):
        operations = self._run(program, "--iterations=1")["operations"]

        def count(iterations):
            command = [*self._command(program), "--iterations=%d" % iterations]
            counted = counting.instructions_of_command(command, self._cpus)
            return counted, iterations * operations

        return counting.per_request(count, *self._iterations)

    def _run(self, program, flag):
        output = process.run(
            [*self._command(program), "--benchmark_format=json", flag], self._cpus
        )
        (result,) = json.loads(output)["benchmarks"]
        if result.get("error_occurred"):
            raise RuntimeError(result["error_message"])
        return result

    def _command(self, program):
        return [program.path, "--benchmark_filter=^%s%s" % (self.name, _SUFFIX)]


_UNITS = {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}


def _nanoseconds(result, key):
    return result[key] * _UNITS[result["time_unit"]]


def micro_cases(
    options, found, iterations, threads=1, skipped_quick=lambda case: False
):
    """The cases of the first program, each with all programs that have it.

    `iterations(case)` says how many are counted, few and many;
    `skipped_quick(case)` what a quick run leaves out.
    """
    has = {program: set(list_cases(program)) for program in found}
    if threads > machine.cpu_count():
        return []
    cases = []
    for name in list_cases(found[0]):
        if options.quick and skipped_quick(name):
            continue
        cases.append(
            MicroCase(
                options,
                name,
                [program for program in found if name in has[program]],
                threads,
                () if options.quick else iterations(name),
            )
        )
    return cases
