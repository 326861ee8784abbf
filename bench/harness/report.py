"""Tables in Markdown, and the page that collects them."""

import os
import re

from harness import machine
from harness.results import WIDE_SPREAD, ratio, verdict

# Servers that stand for what the machine can do at all; see bench/limits.
LIMIT = "limit: "

# The metric that says how much of its CPU the load generator used; above this it
# may be what limits the result.
LOAD_SHARE = "load's share of its CPU"
SATURATED = 0.9

LEGEND = (
    "In brackets: Percore's value divided by the other's. `!`: the rounds differ by"
    " more than %d%% of their median." % (100 * WIDE_SPREAD)
)


class Section:
    """The results of one suite."""

    def __init__(self, suite, run, results, plots=()):
        self._suite = suite
        self._run = run
        self._results = results
        self._plots = plots
        self._cases = _unique(result.case for result in results)
        self._subjects = _unique(result.subject for result in results)
        self._by_place = {(each.case, each.subject): each for each in results}

    def markdown(self):
        parts = ["### " + self._suite.title, self._suite.text, self._origin()]
        parts += [self._table(metric) for metric in self._suite.metrics]
        parts += self._remarks()
        parts += ["![%s](benchmarks/%s.svg)" % (p.title, p.name) for p in self._plots]
        return "\n\n".join(part for part in parts if part) + "\n"

    def losses(self):
        """In words, where a peer is better than Percore."""
        found = []
        for metric, peer, result, ours in self._comparisons():
            theirs = result.samples[metric.name]
            if not peer.startswith(LIMIT) and verdict(metric, ours, theirs) == "worse":
                found.append(
                    "%s, %s: %s of %s is %.2f times that of %s"
                    % (
                        self._suite.title,
                        result.case,
                        metric.name,
                        self._subjects[0],
                        ratio(ours, theirs),
                        peer,
                    )
                )
        return found

    def _origin(self):
        run = self._run
        text = "%s, %s; %s; commit %s, %s. %s" % (
            run["machine"],
            run["kernel"],
            run["rounds"],
            run["commit"],
            run["date"],
            LEGEND,
        )
        if run["busy"] > machine.BUSY:
            text += (
                " **Something else used %d%% of the machine: trust none of it.**"
                % (100 * run["busy"])
            )
        return text

    def _table(self, metric):
        rows = []
        for case in self._cases:
            cells = [self._cell(metric, case, subject) for subject in self._subjects]
            if any(cell for cell in cells):
                rows.append([case] + [cell or "–" for cell in cells])
        if not rows:
            return ""
        kept = [
            index
            for index in range(len(self._subjects) + 1)
            if index == 0 or any(row[index] != "–" for row in rows)
        ]
        head = ["", *self._subjects]
        lines = [[line[i] for i in kept] for line in [head, *rows]]
        better = "more" if metric.more_is_better else "less"
        title = "**%s** (%s is better)" % (metric.name, better)
        return "\n\n".join(
            part for part in (title, _markdown(lines), self._tally(metric)) if part
        )

    def _cell(self, metric, case, subject):
        result = self._by_place.get((case, subject))
        samples = result.samples.get(metric.name) if result else None
        if samples is None:
            return ""
        text = metric.format % samples.median + ("!" if samples.wide() else "")
        ours = self._ours(metric, case)
        if ours is not None and subject != self._subjects[0] and samples.median:
            text += " (%.2f)" % ratio(ours, samples)
        return text

    def _ours(self, metric, case):
        result = self._by_place.get((case, self._subjects[0]))
        return result.samples.get(metric.name) if result else None

    def _comparisons(self):
        """Everything that stands beside a value of Percore's."""
        for metric in self._suite.metrics:
            for (case, subject), result in self._by_place.items():
                ours = self._ours(metric, case)
                if ours is None or subject == self._subjects[0]:
                    continue
                if metric.name in result.samples:
                    yield metric, subject, result, ours

    def _tally(self, metric):
        counts = {}
        for compared, subject, result, ours in self._comparisons():
            if compared is metric:
                group = "limits" if subject.startswith(LIMIT) else "others"
                word = verdict(metric, ours, result.samples[metric.name])
                tally = counts.setdefault(group, {"better": 0, "even": 0, "worse": 0})
                tally[word] += 1
        return " ".join(
            "%s against the %s: better in %d, even in %d, worse in %d."
            % (self._subjects[0], group, tally["better"], tally["even"], tally["worse"])
            for group, tally in sorted(counts.items(), reverse=True)
        )

    def _remarks(self):
        said = ["* " + remark for each in self._results for remark in each.remarks]
        said += self._saturated()
        return ["\n".join(_unique(said))] if said else []

    def _saturated(self):
        """Where the load generator may have been the limit; one remark."""
        by_case = {}
        for each in self._results:
            share = each.samples.get(LOAD_SHARE)
            if share is not None:
                by_case.setdefault(each.case, {})[each.subject] = share.median
        places = []
        for case, shares in by_case.items():
            busy = [name for name, share in shares.items() if share > SATURATED]
            if busy:
                who = "all" if len(busy) == len(shares) else ", ".join(busy)
                places.append("%s (%s)" % (case, who))
        return [
            "* The load generator used over %d%% of its CPU, and may be the limit of"
            " requests/s and latency: compare CPU time. %s."
            % (100 * SATURATED, "; ".join(places))
        ] * bool(places)


def _markdown(lines):
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    rule = ["-" * max(3, widths[0])] + [
        "-" * (max(3, width) - 1) + ":" for width in widths[1:]
    ]

    def row(cells):
        padded = [cells[0].ljust(widths[0])] + [
            cell.rjust(width) for cell, width in zip(cells[1:], widths[1:])
        ]
        return "| " + " | ".join(padded) + " |"

    head, *rest = lines
    return "\n".join([row(head), "| " + " | ".join(rule) + " |", *map(row, rest)])


def _unique(items):
    return list(dict.fromkeys(items))


def replace_section(page, name, text):
    """The page with what stands between `name`'s marks replaced, or appended."""
    begin, end = "<!-- begin: %s -->" % name, "<!-- end: %s -->" % name
    section = "%s\n%s%s" % (begin, text, end)
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    if pattern.search(page):
        return pattern.sub(lambda _: section, page)
    return page.rstrip("\n") + "\n\n" + section + "\n"


def update_page(path, sections):
    """Writes the sections, by name, into the page; the rest stays as it is."""
    page = ""
    if os.path.exists(path):
        with open(path) as text:
            page = text.read()
    for name, text in sections.items():
        page = replace_section(page, name, text)
    with open(path, "w") as output:
        output.write(page)
