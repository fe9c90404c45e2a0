"""One colour and one marker for each optimizer, in all figures."""

import itertools
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

__all__ = ["OPTIMIZERS", "READABLE", "Style", "optimizer_of", "styles"]


class Style(NamedTuple):
    """How the runs of a label are drawn.

    Attributes:
        colour: Of lines and markers.
        marker: Of single points.
        line: The style of a line: solid for the first label of an optimizer.
    """

    colour: str
    marker: str
    line: str = "-"


OPTIMIZERS: Final[Mapping[str, Style]] = {
    "INDIAN": Style("#0072B2", "o"),
    "INNAprop": Style("#56B4E9", "D"),
    "DampedSGD": Style("#6A3D9A", "o"),
    "DampedAdamW": Style("#D55E00", "o"),
    "Damped Muon": Style("#CC79A7", "o"),
    "SGD": Style("#B79F00", "s"),
    "SGD-Nesterov": Style("#8C6D31", "^"),
    "Adam": Style("#009E73", "s"),
    "AdamW": Style("#000000", "s"),
    "NAdam": Style("#66A61E", "v"),
    "NAdamW": Style("#777777", "^"),
    "Lion": Style("#E69F00", "P"),
    "Muon": Style("#A6004F", "X"),
    "Schedule-free AdamW": Style("#1B7F8C", "d"),
    "AdaGrad": Style("#E377C2", "<"),
    "RMSProp": Style("#A1887F", ">"),
    "TR uniform": Style("#1B2A8C", "p"),
    "TR AdaGrad": Style("#C2185B", "h"),
    "TR RMSProp": Style("#2E7D32", "H"),
}
"""By the name of the optimizer. The first three colours, and some others, are those of Okabe and Ito."""

READABLE: Final[Any] = {
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.labelsize": 10,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 9,
    "savefig.dpi": 100,
    "svg.hashsalt": "indian",
}
"""Settings of Matplotlib for a figure 8 inches wide, which is legible at the width of a page, 800 pixels."""

_OTHERS: Final = ("#1F77B4", "#FF7F0E", "#2CA02C", "#D62728", "#9467BD", "#8C564B", "#17BECF", "#7F7F7F")
_LINES: Final = ("-", "--", ":", "-.")


def optimizer_of(label: str) -> str | None:
    """The optimizer that a label begins with, the longest name that fits; None if there is none.

    Example:
        >>> optimizer_of("NAdamW, cosine"), optimizer_of("DampedAdamW, r = 1.9"), optimizer_of("α = 0.5")
        ('NAdamW', 'DampedAdamW', None)
    """
    return max((name for name in OPTIMIZERS if label.startswith(name)), key=len, default=None)


def styles(labels: Iterable[str]) -> dict[str, Style]:
    """A style for each label.

    Labels that begin with the same optimizer have its colour and marker, and lines of different styles. Labels of no
    known optimizer have colours of their own.

    Example:
        >>> found = styles(["AdamW", "AdamW, the same draws"])
        >>> [style.line for style in found.values()]
        ['-', '--']
    """
    others = itertools.cycle(_OTHERS)
    used: dict[str, int] = {}
    found = {}
    for label in dict.fromkeys(labels):
        name = optimizer_of(label)
        if name is None:
            found[label] = Style(next(others), "o")
            continue
        used[name] = used.get(name, -1) + 1
        found[label] = OPTIMIZERS[name]._replace(line=_LINES[used[name] % len(_LINES)])
    return found
