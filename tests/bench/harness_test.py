#!/usr/bin/env -S python3 -B
"""Tests of bench/harness: what turns measurements into tables and verdicts."""

import contextlib
import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, "bench")  # A test starts in the workspace's root.
import suites
from harness import (
    against,
    counting,
    machine,
    micro,
    plots,
    process,
    report,
    results,
    runner,
)

MORE = results.Metric("requests/s", "%.0f", True)
LESS = results.Metric("latency", "%.1f", False)
OPTIONS = runner.Options(bin_folder="", quick=False, rounds=3, seconds=1)


class VerdictTest(unittest.TestCase):
    def verdict(self, metric, ours, theirs):
        return results.verdict(metric, results.Samples(ours), results.Samples(theirs))

    def test_follows_the_metric_direction(self):
        self.assertEqual(self.verdict(MORE, [120, 121], [100, 101]), "better")
        self.assertEqual(self.verdict(MORE, [100, 101], [120, 121]), "worse")
        self.assertEqual(self.verdict(LESS, [120, 121], [100, 101]), "worse")
        self.assertEqual(self.verdict(LESS, [100, 101], [120, 121]), "better")

    def test_is_even_when_a_round_contradicts(self):
        self.assertEqual(self.verdict(MORE, [120, 130, 140], [100, 101, 125]), "even")

    def test_is_even_when_the_difference_is_small(self):
        self.assertEqual(self.verdict(MORE, [102], [100]), "even")
        self.assertEqual(self.verdict(MORE, [104], [100]), "better")


class SamplesTest(unittest.TestCase):
    def test_spread_is_a_share_of_the_median(self):
        self.assertAlmostEqual(results.Samples([90, 100, 120]).spread(), 0.3)
        self.assertEqual(results.Samples([0, 0]).spread(), 0)

    def test_a_wide_spread_is_over_a_tenth(self):
        self.assertFalse(results.Samples([95, 100, 105]).wide())
        self.assertTrue(results.Samples([94, 100, 105]).wide())


class FakeCase(runner.Case):
    """Subject "a" measures 1, 2, 3; "b" fails; "c" is not on this machine."""

    def __init__(self):
        super().__init__("case", [Named("a"), Named("b"), Named("c")])
        self.calls = []

    def measure(self, subject):
        self.calls.append(subject.name)
        if subject.name == "b":
            raise ValueError("broken")
        if subject.name == "c":
            raise process.Unavailable("no io_uring")
        return {MORE.name: self.calls.count("a"), "remarks": ["was hot"]}

    def count(self, subject):
        return {LESS.name: 7}


class Named:
    def __init__(self, name):
        self.name = name


def quietly(function):
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        return function()


class RunnerTest(unittest.TestCase):
    def setUp(self):
        self.case = FakeCase()
        suite = runner.Suite("s", "S", "text", [MORE, LESS], lambda _: [self.case])
        self.results, self.failures = quietly(
            lambda: runner.run_suite(suite, OPTIONS)
        )

    def test_measures_in_turn_and_counts_once(self):
        self.assertEqual(self.case.calls, ["a", "b", "c", "a", "a"])
        self.assertEqual(self.results[0].samples[MORE.name].values, [1, 2, 3])
        self.assertEqual(self.results[0].samples[LESS.name].values, [7])

    def test_a_failure_is_told_and_loses_nothing_else(self):
        self.assertEqual(self.failures, ["s, case, b: broken"])
        self.assertEqual(self.results[1].samples, {})
        self.assertEqual(
            self.results[1].remarks, ["case, b: FAILED, and has no or fewer numbers"]
        )

    def test_what_cannot_run_here_is_no_failure(self):
        self.assertEqual(self.results[2].remarks, ["c: no io_uring"])

    def test_a_case_that_takes_long_has_fewer_rounds_and_says_so(self):
        case = FakeCase()
        case.most_rounds = 2
        suite = runner.Suite("s", "S", "text", [MORE], lambda _: [case])
        first, *_ = quietly(lambda: runner.run_suite(suite, OPTIONS))[0]
        self.assertEqual(first.samples[MORE.name].values, [1, 2])
        self.assertEqual(first.remarks, ["case: 2 rounds only", "was hot"])

    def test_a_remark_is_made_once(self):
        self.assertEqual(self.results[0].remarks, ["was hot"])


class JsonLinesTest(unittest.TestCase):
    def test_come_back_as_they_were(self):
        result = results.Result("c", "s", [{"x": 1.5}, {"x": 2, "y": None}], ["hot"])
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "x.jsonl")
            results.write_json_lines(path, {"kernel": "Linux"}, "loop", [result])
            head, (read,) = results.read_json_lines(path)
        self.assertEqual(head, {"suite": "loop", "kernel": "Linux"})
        self.assertEqual(read.to_json(), result.to_json())
        self.assertEqual(read.samples["x"].values, [1.5, 2])
        self.assertNotIn("y", read.samples)


RUN = {
    "machine": "2 CPUs",
    "kernel": "Linux 6",
    "rounds": "3 rounds",
    "commit": "abc",
    "date": "2026-11-21",
    "busy": 0,
}


def section(found, metrics=(MORE, LESS), busy=0):
    suite = runner.Suite("s", "Title", "What it is.", list(metrics), None)
    return report.Section(suite, {**RUN, "busy": busy}, found)


class SectionTest(unittest.TestCase):
    def result(self, subject, values, case="one", **options):
        return results.Result(case, subject, [{MORE.name: v} for v in values], **options)

    def test_has_a_row_a_case_and_a_column_a_subject(self):
        text = section(
            [
                self.result("Percore", [100]),
                self.result("libevent", [50]),
                self.result("Percore", [10], "two"),
                self.result("libevent", [20], "two"),
            ]
        ).markdown()
        self.assertIn("| one |     100 | 50 (2.00) |", text)
        self.assertIn("| two |      10 | 20 (0.50) |", text)
        self.assertIn("better in 1, even in 0, worse in 1.", text)
        self.assertIn("commit abc", text)

    def test_marks_a_wide_spread(self):
        text = section([self.result("Percore", [80, 90, 100])]).markdown()
        self.assertIn("90!", text)

    def test_leaves_out_what_nobody_measured(self):
        text = section([self.result("Percore", [1]), self.result("x", [])]).markdown()
        self.assertNotIn(LESS.name, text)
        self.assertNotIn("| x", text)

    def test_says_when_the_machine_was_not_its_own(self):
        found = [self.result("Percore", [1])]
        self.assertNotIn("trust", section(found, busy=0.01).markdown())
        self.assertIn("used 30% of the machine", section(found, busy=0.3).markdown())

    def test_shows_remarks(self):
        text = section([self.result("Percore", [1], remarks=["was hot"])]).markdown()
        self.assertIn("* was hot", text)

    def test_says_once_where_the_load_was_the_limit(self):
        busy = [{MORE.name: 5, report.LOAD_SHARE: 0.95}]
        idle = [{MORE.name: 5, report.LOAD_SHARE: 0.5}]
        text = section(
            [
                results.Result("one", "Percore", busy),
                results.Result("one", "libevent", idle),
                results.Result("two", "Percore", busy),
                results.Result("two", "libevent", busy),
            ]
        ).markdown()
        self.assertIn("one (Percore); two (all).", text)

    def test_names_losses_against_peers_but_not_against_limits(self):
        found = [
            self.result("Percore", [100]),
            self.result("libevent", [200]),
            self.result("limit: epoll", [300]),
        ]
        self.assertEqual(
            section(found).losses(),
            ["Title, one: requests/s of Percore is 0.50 times that of libevent"],
        )


class RenderTest(unittest.TestCase):
    def test_a_section_is_the_same_from_its_json_lines(self):
        measured = results.Result("one", "Percore", [{MORE.name: 5}], ["was hot"])
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "s.jsonl")
            results.write_json_lines(path, RUN, "s", [measured])
            head, read = results.read_json_lines(path)
        suite = runner.Suite("s", "Title", "What it is.", [MORE], None)
        self.assertEqual(
            report.Section(suite, head, read).markdown(),
            report.Section(suite, RUN, [measured]).markdown(),
        )


class PageTest(unittest.TestCase):
    def test_a_section_replaces_itself_and_nothing_else(self):
        page = "Intro.\n"
        page = report.replace_section(page, "a", "first \\1\n")
        page = report.replace_section(page, "b", "second\n")
        page = report.replace_section(page, "a", "third\n")
        self.assertEqual(
            page,
            "Intro.\n\n<!-- begin: a -->\nthird\n<!-- end: a -->\n\n"
            "<!-- begin: b -->\nsecond\n<!-- end: b -->\n",
        )


class CountingTest(unittest.TestCase):
    def test_the_fixed_cost_cancels_out(self):
        self.assertEqual(
            counting.per_request(lambda n: (1000 + 3 * n, n), few=10, many=50), 3
        )
        self.assertEqual(
            counting.per_request(lambda n: (1000 - n, n), few=10, many=50), 0
        )

    def test_reads_what_perf_writes(self):
        report_text = "# started\n\n143,,raw_syscalls:sys_enter,123,100.00,,\n"
        self.assertEqual(counting.perf_total(report_text), 143)
        self.assertIsNone(
            counting.perf_total("<not supported>,,raw_syscalls:sys_enter,0,100.00,,")
        )

    def test_reads_what_strace_writes(self):
        self.assertEqual(counting.strace_total("9 read\n------\n12 total\n"), 12)
        self.assertIsNone(counting.strace_total("9 read\n"))

    def test_reads_what_callgrind_writes(self):
        self.assertEqual(counting.callgrind_total("events: Ir\nsummary: 77\n"), 77)
        self.assertIsNone(counting.callgrind_total(""))


class MicroTest(unittest.TestCase):
    def test_a_name_says_what_is_measured_and_not_how(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "program")
            with open(path, "w") as script:
                script.write("#!/bin/sh\necho pipe/100\n")
                script.write("echo stream/process_time/real_time\n")
            os.chmod(path, 0o755)
            self.assertEqual(
                micro.list_cases(micro.Program("x", path)), ["pipe/100", "stream"]
            )


class PlotTest(unittest.TestCase):
    def test_latency_spreads_out_the_rare(self):
        result = results.Result("c", "it's", [{"p50": 10, "p99": 40}])
        plot = plots.latency_plot("n", "T", [result], {50: "p50", 99: "p99"})
        self.assertTrue(plot.has_lines())
        script = plot.script()
        self.assertIn("2 10\n100 40\n", script)
        self.assertIn("set xtics ('50%%' 2, '99%%' 100)", script)
        self.assertIn("title 'it''s'", script)

    def test_a_single_point_is_no_line(self):
        self.assertFalse(plots.Plot("n", "T", "x", "y", {"a": [(1, 2)]}).has_lines())


class ProcessTest(unittest.TestCase):
    def test_says_what_a_program_said_that_would_not_start(self):
        with process.output_file() as log:
            started = process.start_pinned(
                ["sh", "-c", "echo no such flag; exit 2"],
                os.sched_getaffinity(0),
                stdout=log,
            )
            with self.assertRaisesRegex(RuntimeError, "no such flag"):
                process.wait_until(lambda: False, started, log.name)

    def test_exit_status_3_is_a_lack_of_the_machine(self):
        with process.output_file() as log:
            started = process.start_pinned(
                ["sh", "-c", "exit 3"], os.sched_getaffinity(0)
            )
            with self.assertRaises(process.Unavailable):
                process.wait_until(lambda: False, started, log.name)

    def test_measures_a_process_that_runs(self):
        sleeper = subprocess.Popen(["sleep", "60"])
        with process.stopping(sleeper):
            self.assertGreater(process.resident_bytes(sleeper.pid), 0)
            self.assertGreater(process.peak_memory_bytes(sleeper.pid), 0)
            self.assertGreaterEqual(process.cpu_seconds(sleeper.pid), 0)
        self.assertIsNotNone(sleeper.returncode)


class MachineTest(unittest.TestCase):
    def test_splits_the_cpus_when_there_are_enough(self):
        count = machine.cpu_count()
        few = machine.split_cpus(count)
        self.assertTrue(few.shared)
        self.assertEqual(few.server, few.load)
        if count > 1:
            apart = machine.split_cpus(1)
            self.assertFalse(apart.shared)
            self.assertFalse(set(apart.server) & set(apart.load))

    def test_knows_when_the_network_is_quiet(self):
        line = "sockets: used 99\nTCP: inuse 9 orphan %d tw 5 alloc 9 mem %d\nUDP: inuse 1"
        self.assertTrue(machine.network_is_quiet(line % (0, 200)))
        self.assertFalse(machine.network_is_quiet(line % (5000, 200)))
        self.assertFalse(machine.network_is_quiet(line % (0, 200000)))
        self.assertTrue(machine.network_is_quiet(""))

    def test_describes_itself(self):
        self.assertLessEqual(
            {"machine", "kernel", "system", "commit", "versions"},
            set(machine.describe()),
        )


class AgainstTest(unittest.TestCase):
    def test_flags_what_became_dearer(self):
        self.assertEqual(against.judge(0.03), "REGRESSION")
        self.assertEqual(against.judge(0.01), "")
        self.assertEqual(against.judge(-0.03), "better")


class RunTest(unittest.TestCase):
    def complaint(self, *arguments):
        done = subprocess.run(
            ["bench/run", "--bin_folder=nowhere", *arguments],
            stderr=subprocess.PIPE,
            text=True,
        )
        self.assertNotEqual(done.returncode, 0)
        return done.stderr

    def test_refuses_what_it_does_not_know(self):
        self.assertIn("no suite is called nothing", self.complaint("nothing"))
        self.assertIn("must be more than 0", self.complaint("--rounds=-1"))


class SuitesTest(unittest.TestCase):
    def test_each_has_a_name_of_its_own_and_something_to_show(self):
        names = [suite.name for suite in suites.ALL]
        self.assertEqual(len(names), len(set(names)))
        for suite in suites.ALL:
            self.assertTrue(suite.text and suite.metrics, suite.name)


if __name__ == "__main__":
    unittest.main()
