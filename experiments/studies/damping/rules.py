"""Rules for the damping r at a momentum μ, and which has a value that is good everywhere."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from experiments.lib.curves import markdown_table

__all__ = ["RULES", "Row", "Rule", "Verdict", "judge", "table"]


class Row(NamedTuple):
    """A part of the grid: the losses over the damping, at one momentum and the base's best learning rate for it.

    Attributes:
        task: Its name.
        momentum: μ.
        dampings: r, ascending.
        losses: Infinite for a run that diverged.
    """

    task: str
    momentum: float
    dampings: Sequence[float]
    losses: Sequence[float]

    def loss(self, damping: float) -> float:
        """At a damping between those of the grid, on the straight line; beyond them, at the nearest one."""
        finite = [loss for loss in self.losses if np.isfinite(loss)]
        # A run that diverged is worse than all others, but a line must be drawn to it.
        worst = max(finite) + (max(finite) - min(finite)) + 1.0
        values = [loss if np.isfinite(loss) else worst for loss in self.losses]
        return float(np.interp(damping, self.dampings, values))

    def regret(self, damping: float) -> float:
        """What a damping loses to the best of the row."""
        return self.loss(damping) - min(self.losses)


class Rule(NamedTuple):
    """A constant that the damping follows from.

    Attributes:
        damping: r, from the constant and μ.
        constant: The constant, from r and μ.
    """

    damping: Callable[[float, float], float]
    constant: Callable[[float, float], float]


RULES: Final[Mapping[str, Rule]] = {
    "r": Rule(lambda constant, momentum: constant, lambda damping, momentum: damping),
    "αβ = (1 − μ) r": Rule(
        lambda constant, momentum: constant / (1 - momentum), lambda damping, momentum: (1 - momentum) * damping
    ),
    "ν = (1 − (1 − μ) r)/μ": Rule(
        lambda constant, momentum: (1 - momentum * constant) / (1 - momentum),
        lambda damping, momentum: (1 - (1 - momentum) * damping) / momentum,
    ),
    "r − μ": Rule(lambda constant, momentum: constant + momentum, lambda damping, momentum: damping - momentum),
}
"""By what is constant. The last one contains Nesterov's momentum, with 1."""


class Verdict(NamedTuple):
    """How good a rule is.

    Attributes:
        rule: A key of `RULES`.
        constant: The one with the smallest mean regret.
        mean: Of the regrets over all rows.
        worst: Of the regrets.
        lowest: The smallest of the constants that are best in one row each.
        highest: The largest of them.
    """

    rule: str
    constant: float
    mean: float
    worst: float
    lowest: float
    highest: float

    def damping(self, momentum: float) -> float:
        """r at a momentum; no smaller than 1, the heavy ball's."""
        return max(1.0, RULES[self.rule].damping(self.constant, momentum))


def judge(rows: Sequence[Row]) -> list[Verdict]:
    """All rules, the best first; candidates for the constant are all those of the grid.

    Raises:
        ValueError: There are no rows.

    Example:
        >>> rows = [Row("a", 0.9, [1, 2, 4], [1.0, 0.5, 0.6]), Row("b", 0.8, [1, 2, 4], [1.0, 0.5, 0.6])]
        >>> judge(rows)[0]
        Verdict(rule='r', constant=2, mean=0.0, worst=0.0, lowest=2, highest=2)
    """
    if not rows:
        raise ValueError("rows must not be empty: the rules are judged by the grid")
    verdicts = []
    for name, rule in RULES.items():
        constants = sorted({rule.constant(damping, row.momentum) for row in rows for damping in row.dampings})

        def regrets(constant: float, rule: Rule = rule) -> list[float]:
            return [row.regret(rule.damping(constant, row.momentum)) for row in rows]

        chosen = min(constants, key=lambda constant: float(np.mean(regrets(constant))))
        best = [rule.constant(row.dampings[int(np.argmin(row.losses))], row.momentum) for row in rows]
        found = regrets(chosen)
        verdicts.append(Verdict(name, chosen, float(np.mean(found)), max(found), min(best), max(best)))
    return sorted(verdicts, key=lambda verdict: verdict.mean)


def table(verdicts: Sequence[Verdict]) -> str:
    """The verdicts, as Markdown."""
    header = ["constant", "best value", "mean regret", "worst regret", "best values of single rows"]
    rows = [
        [
            verdict.rule,
            f"{verdict.constant:.3g}",
            f"{verdict.mean:.4f}",
            f"{verdict.worst:.4f}",
            f"{verdict.lowest:.3g} to {verdict.highest:.3g}",
        ]
        for verdict in verdicts
    ]
    note = (
        "Regret: by how much the validation loss is above the best of all dampings at the same task, momentum and "
        "learning rate, the best learning rate of the undamped optimizer. Between the dampings of the grid the loss is "
        "interpolated."
    )
    return f"{markdown_table(header, rows)}\n\n{note}"
