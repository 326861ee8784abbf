"""Runs a suite: every case, every subject in turn, round by round."""

import dataclasses
from typing import Callable

from harness.process import Unavailable
from harness.results import Result


@dataclasses.dataclass
class Options:
    """How much to measure. `seconds` is the length of one measurement."""

    bin_folder: str
    quick: bool
    rounds: int
    seconds: float

    def describe_rounds(self):
        return "%d rounds of %g s each, in turn" % (self.rounds, self.seconds)


@dataclasses.dataclass
class Suite:
    """A set of cases that are shown together.

    The first subject is Percore's, and every other is compared with it.
    """

    name: str
    title: str
    # A paragraph: what is measured, and how.
    text: str
    metrics: list
    # Given the options.
    cases: Callable
    # Given the results; what to draw.
    plots: Callable = lambda results: []
    # Given the results; a list of what is not as it must be.
    check: Callable = lambda results: []
    # The length of one measurement, and how often each is made.
    seconds: float = 0.6
    quick_seconds: float = 0.2
    rounds: int = 5


class Case:
    """One situation. `subjects` have a `name` each.

    `most_rounds` is for cases that take long.
    """

    def __init__(self, name, subjects, most_rounds=100):
        self.name = name
        self.subjects = subjects
        self.most_rounds = most_rounds

    def measure(self, subject):
        """One round: values by the name of their metric, and "remarks"."""
        raise NotImplementedError

    def count(self, subject):
        """What needs no rounds, because it hardly varies; done once."""
        return {}


def run_suite(suite, options):
    """The results, and the failures in words."""
    results, failures = [], []
    for case in suite.cases(options):
        print("  %s" % case.name, end="", flush=True)
        rounds = {subject.name: [] for subject in case.subjects}
        remarks = {subject.name: [] for subject in case.subjects}
        absent = set()

        def attempt(subject, work):
            if subject.name in absent:
                return
            try:
                measured = work(subject)
            except Unavailable as reason:
                remarks[subject.name].append("%s: %s" % (subject.name, reason))
                absent.add(subject.name)
                return
            except Exception as error:  # One failure must not lose the others.
                what = "%s, %s, %s: %s" % (suite.name, case.name, subject.name, error)
                failures.append(what)
                # Not why: that has this machine's paths in it.
                remarks[subject.name].append(
                    "%s, %s: FAILED, and has no or fewer numbers"
                    % (case.name, subject.name)
                )
                absent.add(subject.name)
                print("\n  FAILED: %r" % error)
                return
            remarks[subject.name] += measured.pop("remarks", [])
            rounds[subject.name].append(measured)

        if case.most_rounds < options.rounds:
            remark = "%s: %d rounds only" % (case.name, case.most_rounds)
            remarks[case.subjects[0].name].append(remark)
        for _ in range(min(options.rounds, case.most_rounds)):
            for subject in case.subjects:
                attempt(subject, case.measure)
            print(".", end="", flush=True)
        for subject in case.subjects:
            attempt(subject, case.count)
        print(flush=True)
        for subject in case.subjects:
            seen = list(dict.fromkeys(remarks[subject.name]))
            results.append(Result(case.name, subject.name, rounds[subject.name], seen))
    return results, failures
