"""A measured figure and its bar, and the table and the chart of all figures."""

import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt

from paths import BENCHMARKS

# Those that make networks fast, as Linux names them and as people do; the later ones are for numbers of eight bits.
INSTRUCTIONS = {
    "avx2": "AVX2",
    "avx512f": "AVX-512",
    "asimd": "NEON",
    "avx_vnni": "AVX-VNNI",
    "avx512_vnni": "AVX-512 VNNI",
    "asimddp": "dot products",
    "i8mm": "I8MM",
}


@dataclass
class Figure:
    """What was measured, its value, and its bar: the least that is good enough, or the most if `at_most` is true."""

    what: str
    value: float
    bar: float
    unit: str = ""  # as it follows a number: " %", " frames a second"
    at_most: bool = False

    @property
    def passes(self) -> bool:
        """Whether the value meets the bar."""
        return bool(self.value <= self.bar if self.at_most else self.value >= self.bar)

    def row(self) -> str:
        """The figure as a row of a Markdown table."""
        bar = f"{'at most' if self.at_most else 'at least'} {self.bar:,g}{self.unit}"
        return f"| {self.what} | {_short(self.value)}{self.unit} | {bar} | {'yes' if self.passes else '**no**'} |"


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def machine() -> str:
    """The machine in a line: its cores, its processor and the instructions that count here, its system, its Python."""
    name, instructions = platform.processor() or platform.machine(), ""
    if Path("/proc/cpuinfo").exists():
        lines = (line.partition(":") for line in Path("/proc/cpuinfo").read_text().splitlines())
        told = {what.strip(): value.strip() for what, _, value in lines}
        name = told.get("model name", name)
        flags = (told.get("flags") or told.get("Features") or "").split()
        known = [called for flag, called in INSTRUCTIONS.items() if flag in flags]
        instructions = f" with {', '.join(known)}" if known else ""
    return f"{os.cpu_count()} cores of {name}{instructions}, {platform.system()}, Python {platform.python_version()}"


def table(figures: Sequence[Figure]) -> str:
    """The figures as a Markdown table."""
    return "\n".join(["| | measured | bar | met |", "| --- | --: | --: | --- |", *(figure.row() for figure in figures)])


def measure(sections: Mapping[str, Callable[[], list[Figure]]], name: str) -> int:
    """Measure and print section after section, and write a table and a chart of all figures.

    sections: functions that return the figures of a section, by its title. name: of the two files in benchmarks/,
    without their endings. Returns the exit status: 1 where a figure misses its bar.
    """
    figures = []
    for title, measured in sections.items():
        print(title, flush=True)
        for figure in measured():
            print(" ", figure.row(), flush=True)
            figures.append(figure)
    (BENCHMARKS / f"{name}.md").write_text(f"Measured on {machine()}.\n\n{table(figures)}\n", encoding="utf-8")
    draw_chart(figures, BENCHMARKS / f"{name}.png")
    return 0 if all(figure.passes for figure in figures) else 1


def draw_chart(figures: Sequence[Figure], path: Path) -> None:
    """Draw a horizontal line for each figure: how many times better than its bar it is, on a logarithmic axis."""
    figures = [figure for figure in figures if figure.value > 0 and figure.bar > 0][::-1]
    margins = [figure.bar / figure.value if figure.at_most else figure.value / figure.bar for figure in figures]
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
