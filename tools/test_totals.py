"""Adds up what `bazel test` ran, case by case, and says whether all is well.

    test_totals.py plain=EVENTS.json asan=EVENTS.json ...

Each file is what one `bazel test --build_event_json_file=EVENTS.json` wrote:
it names the tests of that run and their test.xml files, so that results of
earlier runs and of deleted tests are never counted. Cases are gtest's; a test
that is not gtest's counts as one.

The last line is `N passed, N failed`, with `, N skipped` where some were. The
exit status is 0 only when every configuration ran tests and nothing failed.
"""

import collections
import json
import sys
import urllib.parse
import xml.etree.ElementTree

Cases = collections.namedtuple("Cases", "passed failed skipped")


def main(arguments):
    total = Cases(0, 0, 0)
    all_well = True
    for argument in arguments:
        name, _, path = argument.partition("=")
        cases, programs, problems = read_events(path)
        for problem in problems:
            print("%s: %s" % (name, problem))
        print(
            "%s: %d of %d cases passed (test programs: %d)"
            % (name, cases.passed, sum(cases), programs)
        )
        all_well = all_well and cases.passed > 0 and cases.failed == 0
        total = add(total, cases)
    line = "%d passed, %d failed" % (total.passed, total.failed)
    if total.skipped:
        line += ", %d skipped" % total.skipped
    print(line)
    return 0 if all_well else 1


def read_events(path):
    """The cases, the number of test programs and the problems of one run."""
    outcomes = {}  # Label of a test -> its status in words.
    reports = {}  # (label, run, shard) -> the XML file of the last attempt.
    exit_code = None
    for event in events_of(path):
        event_id = event["id"]
        if "testSize" in event.get("configured", {}):
            # Until its summary arrives: a test that does not build has none.
            outcomes[event_id["targetConfigured"]["label"]] = "did not run"
        elif "testResult" in event:
            run = event_id["testResult"]
            key = (run["label"], run.get("run"), run.get("shard"))
            reports[key] = xml_path(event["testResult"])
        elif "testSummary" in event:
            status = event["testSummary"]["overallStatus"]
            outcomes[event_id["testSummary"]["label"]] = status
        elif "finished" in event:
            exit_code = event["finished"]["exitCode"]

    problems = []
    cases = Cases(0, 0, 0)
    for label, outcome in sorted(outcomes.items()):
        counted = Cases(0, 0, 0)
        for key, report in reports.items():
            if key[0] == label and report:
                counted = add(counted, read_xml(report))
        if outcome not in ("PASSED", "FLAKY"):
            problems.append("%s: %s" % (label, outcome))
            if counted.failed == 0:
                # Every case passed, or none was reported, and still the program
                # failed: it crashed, leaked, or ran out of time.
                counted = add(counted, Cases(0, 1, 0))
        cases = add(cases, counted)

    if exit_code is None:
        problems.append("bazel did not finish")
    elif exit_code.get("code", 0) != 0:
        problems.append("bazel says %s" % exit_code["name"])
    if problems and cases.failed == 0:
        cases = add(cases, Cases(0, 1, 0))
    return cases, len(outcomes), problems


def events_of(path):
    """The events of a build event file; none if bazel got nowhere near it."""
    try:
        with open(path, encoding="utf-8") as lines:
            return [json.loads(line) for line in lines if line.endswith("}\n")]
    except FileNotFoundError:
        return []


def xml_path(test_result):
    for output in test_result.get("testActionOutput", []):
        if output["name"] == "test.xml":
            return urllib.parse.unquote(urllib.parse.urlparse(output["uri"]).path)
    return None


def read_xml(path):
    """The cases in a test.xml of gtest's, or of bazel's own for other tests."""
    total = Cases(0, 0, 0)
    try:
        suites = xml.etree.ElementTree.parse(path).getroot().iter("testsuite")
    except (OSError, xml.etree.ElementTree.ParseError):
        return Cases(0, 1, 0)
    for suite in suites:
        failed = number(suite, "failures") + number(suite, "errors")
        skipped = number(suite, "skipped") + number(suite, "disabled")
        passed = number(suite, "tests") - failed - skipped
        total = add(total, Cases(passed, failed, skipped))
    return total


def number(element, attribute):
    return int(element.get(attribute, 0))


def add(one, other):
    return Cases(*(a + b for a, b in zip(one, other)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
