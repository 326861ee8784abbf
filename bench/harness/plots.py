"""Plots as SVG, drawn by gnuplot."""

import dataclasses
import os
import subprocess


@dataclasses.dataclass
class Plot:
    """Lines over one another. `series` maps a label to its points (x, y)."""

    name: str
    title: str
    x_label: str
    y_label: str
    series: dict
    log_x: bool = True
    log_y: bool = True
    # Places on the x axis, with what is written there.
    ticks: dict = dataclasses.field(default_factory=dict)

    def has_lines(self):
        """Quick runs may have measured at one place only: nothing to draw."""
        return any(len(points) > 1 for points in self.series.values())

    def draw(self, folder):
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, self.name + ".svg"), "wb") as output:
            subprocess.run(
                ["gnuplot"], input=self.script().encode(), stdout=output, check=True
            )

    def script(self):
        lines = [
            "set terminal svg size 900,520 dynamic background rgb 'white' font ',13'",
            "set title " + _quoted(self.title),
            "set xlabel " + _quoted(self.x_label),
            "set ylabel " + _quoted(self.y_label),
            "set key outside right noenhanced",
            "set grid",
        ]
        if self.log_x:
            lines.append("set logscale x")
        if self.log_y:
            lines.append("set logscale y")
        if self.ticks:
            # gnuplot takes the text for a format.
            places = (
                "%s %g" % (_quoted(at.replace("%", "%%")), x)
                for x, at in self.ticks.items()
            )
            lines.append("set xtics (%s)" % ", ".join(places))
        curves = []
        for index, (label, points) in enumerate(self.series.items()):
            lines.append("$data%d << END" % index)
            lines += ["%g %g" % point for point in points]
            lines.append("END")
            # The first is ours, and easily found.
            width = 3 if index == 0 else 1.5
            curves.append(
                "$data%d with linespoints linewidth %g title %s"
                % (index, width, _quoted(label))
            )
        lines.append("plot " + ", ".join(curves))
        return "\n".join(lines) + "\n"


def _quoted(text):
    return "'%s'" % text.replace("'", "''")


def latency_plot(name, title, results, percentiles):
    """Latency by percentile, the rare ones spread out: 90, 99, 99.9 equally far.

    `percentiles` maps a percentile to the metric that has it.
    """
    series = {}
    for result in results:
        points = [
            (1 / (1 - percentile / 100), result.samples[metric].median)
            for percentile, metric in percentiles.items()
            if metric in result.samples
        ]
        if points:
            series[result.subject] = points
    ticks = {1 / (1 - each / 100): "%g%%" % each for each in percentiles}
    return Plot(name, title, "percentile", "latency, us", series, ticks=ticks)
