#!/usr/bin/env -S python3 -B
"""Tests of bench/harness.py: what turns measurements into verdicts."""

import contextlib
import io
import os
import sys
import tempfile
import unittest

sys.path.insert(0, "bench")  # A test starts in the workspace's root.
import harness

MORE = harness.Metric("requests/s", "%.0f", True)
LESS = harness.Metric("latency", "%.0f", False)


class VerdictTest(unittest.TestCase):
    def verdict(self, metric, ours, theirs):
        return harness.verdict(metric, harness.Samples(ours), harness.Samples(theirs))

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
        self.assertAlmostEqual(harness.Samples([90, 100, 120]).spread(), 0.3)
        self.assertEqual(harness.Samples([0, 0]).spread(), 0)


class TableTest(unittest.TestCase):
    def test_prints_losses_like_wins_and_marks_wide_spreads(self):
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            harness.print_comparison(
                [MORE, LESS],
                ["ours", "theirs"],
                {
                    "requests/s": harness.Samples([50, 51, 52]),
                    "latency": harness.Samples([5, 5, 5]),
                },
                {
                    "requests/s": harness.Samples([90, 100, 110]),
                    "latency": harness.Samples([10, 10, 10]),
                },
            )
        lines = [line.split() for line in output.getvalue().splitlines()]
        self.assertEqual(lines[0], ["ours", "theirs", "ratio"])
        self.assertEqual(lines[1], ["requests/s", "51", "100!", "0.51", "worse"])
        self.assertEqual(lines[2], ["latency", "5", "10", "0.50", "better"])


class StraceReportTest(unittest.TestCase):
    def total_of(self, text):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "report")
            with open(path, "w") as report:
                report.write(text)
            return harness.total_of(path)

    def test_finds_the_total_once_the_report_is_written(self):
        self.assertIsNone(self.total_of(""))
        self.assertIsNone(self.total_of("    calls syscall\n      120 read\n"))
        report = "      120 read\n        3 write\n--------- ----\n      123 total\n"
        self.assertEqual(self.total_of(report), 123)


if __name__ == "__main__":
    unittest.main()
