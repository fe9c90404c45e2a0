"""How every experiment draws: at the width at which the page shows a figure, and written as PNG and as SVG."""

import re
import textwrap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import matplotlib
from matplotlib.figure import Figure
from matplotlib.text import Text

from experiments.lib.styles import READABLE

matplotlib.use("Agg")
import matplotlib.pyplot as plt

__all__ = ["PAGE", "SMALLEST", "WIDTH", "drawing", "legend_below", "write"]

WIDTH: Final = 8.0
"""Of a figure, in inches."""

PAGE: Final = 800
"""The width at which a page shows a figure, in pixels."""

SMALLEST: Final = 8
"""The size of the smallest text there, in pixels."""

_TITLE: Final = 90
"""Characters of a line of a title that fit the width."""


@contextmanager
def drawing(
    path: Path, title: str = "", rows: int = 1, columns: int = 1, *, height: float, **options: Any
) -> Iterator[tuple[Figure, Any]]:
    """A figure in which all text is legible; it is written when the block ends.

    Args:
        path: Of the files, without a suffix.
        title: Over the figure; broken into lines where it is long.
        rows: Of panels.
        columns: Of panels.
        height: In inches; the width is `WIDTH`.
        **options: Of `matplotlib.pyplot.subplots`.

    Yields:
        The figure, and its axes, an array of the shape (rows, columns).

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with drawing(Path(folder, "line"), "A line", height=3) as (_, axes):
        ...         _ = axes[0, 0].plot([0, 1], [0, 1])
        ...     print(sorted(file.name for file in Path(folder).iterdir()))
        ['line.png', 'line.svg']
    """
    with plt.rc_context(READABLE):
        figure, axes = plt.subplots(
            rows, columns, figsize=(WIDTH, height), squeeze=False, layout="constrained", **options
        )
        try:
            if title:
                figure.suptitle("\n".join(textwrap.wrap(title, _TITLE)), fontsize=11)
            yield figure, axes
            write(figure, path)
        finally:
            plt.close(figure)


def legend_below(figure: Figure, axes: Iterable[Any]) -> None:
    """One legend for all panels, each label once, below them in as many columns as fit."""
    entries = {label: handle for axis in axes for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    # In pixels: the handle and the space around an entry, and a letter.
    columns = int(PAGE / (55 + 7.2 * max(map(len, entries))))
    figure.legend(
        list(entries.values()),
        list(entries),
        loc="outside lower center",
        ncols=max(1, min(columns, len(entries))),
        frameon=False,
    )


def write(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, as wide as the page shows it, and beside it as SVG; close it.

    The same figure is written as the same bytes: the files hold no date, and SVG has text as paths, so no font is
    needed to show it. Artists with many points should be made with ``rasterized=True``; they are pixels in SVG, too.

    Args:
        figure: Best made by `drawing`, or within ``matplotlib.rc_context(READABLE)``.
        path: Of the files. A suffix, as .png, is replaced.

    Raises:
        ValueError: A text is smaller than `SMALLEST` pixels at the width of the page.

    Example:
        >>> import tempfile
        >>> figure = plt.figure(figsize=(16, 4))
        >>> _ = figure.text(0.5, 0.5, "small", fontsize=10)
        >>> write(figure, Path(tempfile.gettempdir(), "never_written"))
        Traceback (most recent call last):
            ...
        ValueError: text must have at least 8 pixels where the figure is 800 pixels wide, got 6.9 of 'small'
    """
    scale = PAGE / figure.get_figwidth()
    figure.draw_without_rendering()
    # Where all has its place now; the layout, which costs most, need not be made again for each file.
    figure.set_layout_engine("none")
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        size = float(text.get_fontsize()) / 72 * scale
        if text.get_visible() and text.get_text().strip() and size < SMALLEST:
            raise ValueError(
                f"text must have at least {SMALLEST} pixels where the figure is {PAGE} pixels wide, "
                f"got {size:.1f} of {text.get_text()!r}"
            )
    with plt.rc_context({"svg.hashsalt": READABLE["svg.hashsalt"], "svg.fonttype": "path"}):
        figure.savefig(path.with_suffix(".png"), dpi=scale)
        figure.savefig(path.with_suffix(".svg"), dpi=2 * scale, metadata={"Date": None})
    svg = path.with_suffix(".svg").read_text(encoding="utf-8")
    path.with_suffix(".svg").write_text(_PATHS.sub(_rounded, svg), encoding="utf-8")
    plt.close(figure)


_PATHS: Final = re.compile(r'(?<= d=")[^"]+')
_NUMBERS: Final = re.compile(r"\d+\.\d+")


def _rounded(path: re.Match[str]) -> str:
    """The coordinates of a path in hundredths of a point, which is half of the text of a curve."""
    return _NUMBERS.sub(lambda number: f"{float(number[0]):.2f}".rstrip("0").rstrip("."), path[0])
