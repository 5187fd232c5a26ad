"""A measured figure beside its bar, and the table and the chart of them all."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt

HERE = Path(__file__).resolve().parent


@dataclass
class Figure:
    """What was measured, its value, and the bar: at least so much, or at most where `most` is true."""

    what: str
    value: float
    bar: float
    unit: str = ""
    most: bool = False

    @property
    def passes(self):
        return self.value <= self.bar if self.most else self.value >= self.bar

    def row(self):
        bar = f"{'at most' if self.most else 'at least'} {self.bar:,g}{self.unit}"
        return f"| {self.what} | {_short(self.value)}{self.unit} | {bar} | {'yes' if self.passes else '**no**'} |"


def _short(value):
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def machine():
    """The machine in a line."""
    name = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        names = [
            line.partition(":")[2] for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
        ]
        name = names[0].strip() if names else name
    return f"{os.cpu_count()} cores of {name}, {platform.system()}, Python {platform.python_version()}"


def table(figures):
    """The figures as a Markdown table."""
    return "\n".join(["| | measured | bar | met |", "| --- | --: | --: | --- |", *(figure.row() for figure in figures)])


def measure(sections, name):
    """Print each section's figures, write them as a table and a chart beside this file, and return the exit status.

    sections: functions that give lists of Figures, by title.
    """
    figures = []
    for title, measured in sections.items():
        print(title, flush=True)
        for figure in measured():
            print(" ", figure.row(), flush=True)
            figures.append(figure)
    (HERE / f"{name}.md").write_text(f"Measured on {machine()}.\n\n{table(figures)}\n", encoding="utf-8")
    draw_chart(figures, HERE / f"{name}.png")
    return 0 if all(figure.passes for figure in figures) else 1


def draw_chart(figures, path):
    """A bar for each figure: how many times better than its bar it is, on a logarithmic axis."""
    figures = [figure for figure in figures if figure.value > 0 and figure.bar > 0][::-1]
    margins = [figure.bar / figure.value if figure.most else figure.value / figure.bar for figure in figures]
    chart, axis = plt.subplots(figsize=(9, 0.32 * len(figures) + 1))
    axis.barh(
        [figure.what for figure in figures],
        [margin - 1 for margin in margins],
        left=1,
        color=["seagreen" if figure.passes else "firebrick" for figure in figures],
    )
    axis.axvline(1, color="black", linewidth=1)
    axis.set(xscale="log", xlabel="times better than the bar", title="Benchmarks")
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    chart.tight_layout()
    chart.savefig(path, dpi=110)
    plt.close(chart)
