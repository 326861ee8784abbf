#!/usr/bin/env -S python3 -B
"""Tests of tools/test_totals.py, over event files as Bazel 4.2 writes them."""

import contextlib
import io
import json
import os
import sys
import tempfile
import unittest

sys.path.insert(0, "tools")  # A test starts in the workspace's root.
import test_totals


class TestTotalsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.events = []

    def add_test(self, label, status="PASSED", suites=None):
        """A test target; `suites` are the <testsuite> attributes it reported."""
        self.events.append(
            {
                "id": {"targetConfigured": {"label": label}},
                "configured": {"targetKind": "cc_test rule", "testSize": "SMALL"},
            }
        )
        if status == "FAILED TO BUILD":
            return
        result = {"status": status}
        if suites is not None:
            path = os.path.join(self.folder, label.replace("/", "_") + ".xml")
            with open(path, "w") as report:
                report.write("<testsuites>")
                for attributes in suites:
                    report.write("<testsuite %s/>" % attributes)
                report.write("</testsuites>")
            result["testActionOutput"] = [
                {"name": "test.log", "uri": "file:///nowhere"},
                {"name": "test.xml", "uri": "file://" + path},
            ]
        self.events.append(
            {
                "id": {"testResult": {"label": label, "run": 1, "shard": 1}},
                "testResult": result,
            }
        )
        self.events.append(
            {
                "id": {"testSummary": {"label": label}},
                "testSummary": {"overallStatus": status},
            }
        )

    def run_main(self, exit_code=0):
        """The exit status and the last line that a finished bazel leads to."""
        name = {0: "SUCCESS", 1: "BUILD_FAILURE", 3: "TESTS_FAILED"}[exit_code]
        # Bazel leaves a zero out.
        code = {"name": name, "code": exit_code} if exit_code else {"name": name}
        self.events.append(
            {"id": {"buildFinished": {}}, "finished": {"exitCode": code}}
        )
        path = os.path.join(self.folder, "events.json")
        with open(path, "w") as events:
            events.writelines(json.dumps(event) + "\n" for event in self.events)
        return self.run_main_on("plain=" + path)

    def run_main_on(self, *arguments):
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            status = test_totals.main(arguments)
        return status, output.getvalue().splitlines()[-1]

    def test_adds_the_cases_of_all_suites_and_programs(self):
        self.add_test("//a:a", suites=['tests="2"', 'tests="3"'])
        self.add_test("//b:b", suites=['tests="1" failures="0" errors="0"'])
        self.assertEqual(self.run_main(), (0, "6 passed, 0 failed"))

    def test_counts_skipped_and_disabled_cases_apart(self):
        self.add_test("//a:a", suites=['tests="5" skipped="1" disabled="2"'])
        self.assertEqual(self.run_main(), (0, "2 passed, 0 failed, 3 skipped"))

    def test_counts_failures_and_errors(self):
        suites = ['tests="5" failures="1" errors="1"']
        self.add_test("//a:a", "FAILED", suites)
        self.assertEqual(self.run_main(3), (1, "3 passed, 2 failed"))

    def test_counts_a_program_that_fails_after_its_cases_passed(self):
        self.add_test("//a:a", "FAILED", ['tests="5"'])
        self.assertEqual(self.run_main(3), (1, "5 passed, 1 failed"))

    def test_counts_a_program_without_a_report(self):
        self.add_test("//a:a", suites=['tests="1"'])
        self.add_test("//b:b", "TIMEOUT")
        self.assertEqual(self.run_main(3), (1, "1 passed, 1 failed"))

    def test_counts_a_program_that_does_not_build(self):
        self.add_test("//a:a", suites=['tests="1"'])
        self.add_test("//b:b", "FAILED TO BUILD")
        self.assertEqual(self.run_main(1), (1, "1 passed, 1 failed"))

    def test_fails_when_bazel_fails_without_a_test_to_blame(self):
        self.add_test("//a:a", suites=['tests="1"'])
        self.assertEqual(self.run_main(1), (1, "1 passed, 1 failed"))

    def test_fails_when_bazel_did_not_start(self):
        missing = "plain=" + os.path.join(self.folder, "missing.json")
        self.assertEqual(self.run_main_on(missing), (1, "0 passed, 1 failed"))

    def test_fails_when_nothing_ran(self):
        self.assertEqual(self.run_main(), (1, "0 passed, 0 failed"))

    def test_adds_up_configurations_and_fails_if_one_is_missing(self):
        self.add_test("//a:a", suites=['tests="4"'])
        self.run_main()
        path = os.path.join(self.folder, "events.json")
        self.assertEqual(
            self.run_main_on("plain=" + path, "asan=" + path),
            (0, "8 passed, 0 failed"),
        )
        self.assertEqual(
            self.run_main_on("plain=" + path, "asan=" + path + ".missing"),
            (1, "4 passed, 1 failed"),
        )


if __name__ == "__main__":
    unittest.main()
