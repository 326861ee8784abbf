"""What was measured: samples of metrics, and the JSON lines that keep them."""

import collections
import json
import statistics

# Differences below this are nobody's win.
WORTH_NAMING = 0.03

# Medians whose rounds differ by more than this are marked.
WIDE_SPREAD = 0.1

# `format` prints a value; `more_is_better` says who wins.
Metric = collections.namedtuple("Metric", "name format more_is_better")


class Samples:
    """The values of one metric over the rounds."""

    def __init__(self, values):
        self.values = list(values)
        self.median = statistics.median(self.values)

    def spread(self):
        """How far apart the rounds are, as a share of the median."""
        if not self.median:
            return 0.0
        return (max(self.values) - min(self.values)) / self.median

    def wide(self):
        return self.spread() > WIDE_SPREAD

    def overlaps(self, other):
        ours, theirs = self.values, other.values
        return min(ours) <= max(theirs) and min(theirs) <= max(ours)


def verdict(metric, ours, theirs):
    """Better or worse if the difference is worth it and no round contradicts."""
    difference = abs(ours.median - theirs.median)
    if ours.overlaps(theirs) or difference < WORTH_NAMING * theirs.median:
        return "even"
    wins = (ours.median > theirs.median) == metric.more_is_better
    return "better" if wins else "worse"


def ratio(ours, theirs):
    return ours.median / theirs.median if theirs.median else float("nan")


class Result:
    """What one subject did in one case, over all rounds."""

    def __init__(self, case, subject, rounds, remarks=()):
        self.case = case
        self.subject = subject
        self.remarks = list(remarks)
        values = collections.defaultdict(list)
        for measured in rounds:
            for name, value in measured.items():
                if value is not None:
                    values[name].append(value)
        self.samples = {name: Samples(seen) for name, seen in values.items()}

    def to_json(self):
        return {
            "case": self.case,
            "subject": self.subject,
            "remarks": self.remarks,
            "rounds": {
                name: [_short(value) for value in samples.values]
                for name, samples in self.samples.items()
            },
        }


def _short(value):
    return float("%.6g" % value) if isinstance(value, float) else value


def write_json_lines(path, run, suite, results):
    """One line that says what ran where, and then one for each result."""
    with open(path, "w") as output:
        for line in [{"suite": suite, **run}] + [each.to_json() for each in results]:
            output.write(json.dumps(line) + "\n")


def read_json_lines(path):
    """What write_json_lines() wrote: the head, and the results."""
    with open(path) as lines:
        head, *rest = [json.loads(line) for line in lines]
    results = []
    for line in rest:
        result = Result(line["case"], line["subject"], [], line["remarks"])
        result.samples = {
            name: Samples(values) for name, values in line["rounds"].items()
        }
        results.append(result)
    return head, results
