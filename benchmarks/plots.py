"""The two pictures of docs/performance.md, as SVG on white, so that light and dark pages show them alike.

matplotlib is in requirements-bench.txt alone, so it is imported when a picture is drawn.
"""

import re
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.report import Picture

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#7a7a7a", "#cc79a7", "#56b4e9", "#8c6d00")
MARKS = ("o", "s", "^", "D", "v", "P", "X")
SIZE = (7.2, 4.5)
FAR_APART = 8
TICKS = tuple(first * 10.0**power for power in range(-2, 4) for first in (1, 2, 5))


def draw(picture: Picture, folder: Path) -> None:
    """One line for each name, in equal steps; upwards from nothing, or by factors where values are far apart."""
    figure, axes = _figure(picture)
    below = list(next(iter(picture.lines.values())))
    for number, (name, values) in enumerate(picture.lines.items()):
        look = {"color": COLOURS[number % len(COLOURS)], "marker": MARKS[number % len(MARKS)]}
        axes.plot(
            range(len(below)), [values[place] for place in below], linewidth=1.8, markersize=5, label=name, **look
        )
    if picture.level:
        name, value = picture.level
        axes.axhline(value, color="#7a7a7a", linestyle="--", linewidth=1.4, label=name)
    axes.set_xticks(range(len(below)), below)
    every = [value for values in picture.lines.values() for value in values.values()]
    if max(every) > FAR_APART * min(every):
        axes.set_yscale("log")
        ticks = [tick for tick in TICKS if min(every) / 1.5 <= tick <= max(every) * 1.5]
        axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
    else:
        axes.set_ylim(bottom=0)
    _save(figure, axes, folder / picture.name)


def _figure(picture: Picture) -> tuple[Any, Any]:
    matplotlib = import_module("matplotlib")
    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "doorkey"  # the same numbers give the same file
    matplotlib.rcParams["svg.fonttype"] = "none"  # words stay words, in whatever sans-serif there is
    matplotlib.rcParams["font.family"] = "sans-serif"
    figure, axes = import_module("matplotlib.pyplot").subplots(figsize=SIZE, facecolor="white", layout="constrained")
    axes.set_xlabel(picture.across)
    axes.set_ylabel(picture.up)
    axes.grid(visible=True, color="#dddddd", linewidth=0.7)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _save(figure: Any, axes: Any, path: Path) -> None:
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="svg", metadata={"Date": None})
    import_module("matplotlib.pyplot").close(figure)
    text = path.read_text(encoding="utf-8")
    path.write_text(re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE), encoding="utf-8")
