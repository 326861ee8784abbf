#!/usr/bin/env -S python3 -B
"""Tests that the micro-benchmarks work, with every library, and fit each other."""

import json
import re
import subprocess
import unittest

# A test starts in the workspace's root.
PERCORE = {
    "bench/buffer/buffer_percore": ["bench/buffer/buffer_libevent"],
    "bench/runtime/loop_percore": [
        "bench/runtime/loop_asio",
        "bench/runtime/loop_libevent",
        "bench/runtime/loop_libuv",
    ],
    "bench/runtime/messages_percore": [
        "bench/runtime/messages_asio",
        "bench/runtime/messages_libevent",
        "bench/runtime/messages_libuv",
    ],
}
PROGRAMS = [
    program for percore, peers in PERCORE.items() for program in [percore, *peers]
]

# Too much for a sanitizer.
LARGE = "/1000000"


def run(program, *flags):
    return subprocess.run([program, *flags], capture_output=True, text=True)


def measure(program, *flags):
    done = run(program, "--benchmark_format=json", *flags)
    done.check_returncode()
    return json.loads(done.stdout)["benchmarks"]


def cases(program):
    names = run(program, "--benchmark_list_tests").stdout.split()
    return [re.sub(r"(/process_time|/real_time)+$", "", name) for name in names]


class MicroTest(unittest.TestCase):
    def test_every_case_runs_as_often_as_told_and_says_how_much_that_is(self):
        for program in PROGRAMS:
            results = measure(
                program, "--iterations=2", "--benchmark_filter=-%s" % LARGE
            )
            small = [case for case in cases(program) if LARGE not in case]
            self.assertEqual(len(results), len(small), program)
            for result in results:
                with self.subTest(program=program, case=result["name"]):
                    self.assertNotIn("error_occurred", result)
                    self.assertEqual(result["iterations"], 2)
                    self.assertGreater(result["operations"], 0)

    def test_peers_have_no_case_that_percore_has_not(self):
        for percore, peers in PERCORE.items():
            for peer in peers:
                with self.subTest(peer=peer):
                    self.assertNotEqual(cases(peer), [])
                    self.assertLessEqual(set(cases(peer)), set(cases(percore)))

    def test_one_operation_is_the_same_in_every_library(self):
        for percore, peers in PERCORE.items():
            flags = ["--iterations=1", "--benchmark_filter=-%s" % LARGE]
            ours = {r["name"]: r["operations"] for r in measure(percore, *flags)}
            for peer in peers:
                for result in measure(peer, *flags):
                    with self.subTest(peer=peer, case=result["name"]):
                        self.assertEqual(result["operations"], ours[result["name"]])

    def test_without_iterations_google_benchmark_decides(self):
        (result,) = measure(
            "bench/buffer/buffer_percore",
            "--benchmark_filter=^append/64$",
            "--benchmark_min_time=0.01",
        )
        self.assertGreater(result["iterations"], 1)

    def test_bad_flags_and_unknown_cases_are_refused(self):
        for flag in ["--iterations=0", "--iterations=x", "--unknown", "more"]:
            with self.subTest(flag=flag):
                self.assertNotEqual(run(PROGRAMS[0], flag).returncode, 0)
        nothing = run(PROGRAMS[0], "--benchmark_filter=^no_such_case$")
        self.assertNotEqual(nothing.returncode, 0)

    def test_a_case_that_fails_says_so(self):
        # No descriptors for the sockets that it needs.
        command = "ulimit -n 50; exec %s --iterations=1 --benchmark_format=json"
        done = subprocess.run(
            (command + " --benchmark_filter=^cascade/100")
            % "bench/runtime/loop_percore",
            shell=True,
            capture_output=True,
            text=True,
        )
        results = json.loads(done.stdout)["benchmarks"]
        self.assertEqual(
            [r["error_message"] for r in results],
            ["the limit of descriptors is too low (ulimit -Hn)"],
        )


if __name__ == "__main__":
    unittest.main()
