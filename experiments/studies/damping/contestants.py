"""Who takes part, with which hyperparameters: every peer with as many trials, and the damped optimizers at those."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from indian_core import INNAPROP_DEFAULTS
from indian_core.damping import damping_of_nesterov, from_damping

__all__ = [
    "ADAMW_OF_SGD_TASKS",
    "AT_EQUAL_HYPERPARAMETERS",
    "BASES",
    "PEERS",
    "VARIANTS",
    "Contestant",
    "Grid",
    "Trial",
    "contestants",
    "damping_of",
    "drawn",
]

NESTEROV: Final = "nesterov"
RULE: Final = "rule"

Damping = float | str
"""r as a number; `NESTEROV`: 1 + μ; `RULE`: as the rule says, which the grid has shown to be the best."""

ADAMW_OF_SGD_TASKS: Final = 0.03
"""The learning rates of AdamW as multiples of SGD's, where SGD has the grid."""

LION: Final = 0.3
"""The learning rates of Lion as multiples of AdamW's; its weight decay is as many times larger."""

PUBLISHED_RATES: Final = (1e-4, 1e-2)
"""From which to which step size INNAprop is searched with the published α and β; the published one is 1e-3."""


class Trial(NamedTuple):
    """Hyperparameters that are tried.

    Attributes:
        learning_rate: η of AdamW, or that of SGD; for INNAprop with its own α and β, its step size.
        momentum: μ; None where an optimizer has its own.
        damping: r; None where it is no hyperparameter.
        hyperparameters: What the optimizer gets.
    """

    learning_rate: float
    momentum: float | None
    damping: float | None
    hyperparameters: Mapping[str, float]


class Grid(NamedTuple):
    """Where the base is searched.

    Attributes:
        learning_rates: η.
        momenta: μ.
        fixed: What all optimizers have in common: ``weight_decay``, and ``norm_decay`` in a norm.
    """

    learning_rates: Sequence[float]
    momenta: Sequence[float]
    fixed: Mapping[str, float]

    def cells(self) -> list[tuple[float, float]]:
        """All pairs (η, μ)."""
        return list(itertools.product(self.learning_rates, self.momenta))


class Peer(NamedTuple):
    """An optimizer that is tuned by itself.

    Attributes:
        optimizer: Its kind.
        trials: Its trials, as many as the grid has cells.
        schedule: The kind of its schedule.
    """

    optimizer: str
    trials: Callable[[Grid], list[Trial]]
    schedule: str = "cosine"


class Variant(NamedTuple):
    """An optimizer with damping, at the hyperparameters of a peer.

    Attributes:
        optimizer: Its kind.
        peer: Whose η and μ it takes.
        same: The optimizers that it equals, by damping: they are not run twice.
        final: The dampings at the peer's best η and μ that run on fresh seeds.
        trial: The trial, from the grid's η, μ, r and what is fixed.
    """

    optimizer: str
    peer: str
    same: Mapping[Damping, str]
    final: Sequence[Damping]
    trial: Callable[[float, float, float, Mapping[str, float]], Trial]


class Contestant(NamedTuple):
    """One optimizer as it takes part in the search.

    Attributes:
        label: In figures and tables.
        optimizer: Its kind.
        schedule: The kind of its schedule.
        trials: What is tried.
    """

    label: str
    optimizer: str
    schedule: str
    trials: Sequence[Trial]


def _usual(grid: Grid) -> list[Trial]:
    return [Trial(lr, mu, None, {"lr": lr, "momentum": mu, **grid.fixed}) for lr, mu in grid.cells()]


def _lion(grid: Grid) -> list[Trial]:
    fixed = {**grid.fixed, "weight_decay": grid.fixed["weight_decay"] / LION}
    return [Trial(LION * lr, mu, None, {"lr": LION * lr, "momentum": mu, **fixed}) for lr, mu in grid.cells()]


def _published(grid: Grid) -> list[Trial]:
    alpha, beta = INNAPROP_DEFAULTS.alpha, INNAPROP_DEFAULTS.beta
    # AdamW's weight decay, times β.
    fixed = {**grid.fixed, "weight_decay": grid.fixed["weight_decay"] * beta, "alpha": alpha, "beta": beta}
    rates = [float(f"{rate:.2g}") for rate in np.geomspace(*PUBLISHED_RATES, len(grid.cells()))]
    return [Trial(rate, None, None, {"lr": rate, **fixed}) for rate in rates]


def _adamw_beside_sgd(grid: Grid) -> list[Trial]:
    rates = [float(f"{ADAMW_OF_SGD_TASKS * lr:.2g}") for lr in grid.learning_rates]
    fixed = {"norm_decay": 0.99, "weight_decay": 0.05}
    return [
        Trial(lr, mu, None, {"lr": lr, "momentum": mu, **fixed}) for lr, mu in itertools.product(rates, grid.momenta)
    ]


PEERS: Final[Mapping[str, Peer]] = {
    "AdamW": Peer("adamw", _usual),
    "NAdamW": Peer("nadamw", _usual),
    "NAdam (PyTorch)": Peer("torch_nadam", _usual),
    "Lion": Peer("lion", _lion),
    "Muon": Peer("muon", _usual),
    "Schedule-free AdamW": Peer("schedule_free_adamw", _usual, schedule="constant"),
    "INNAprop": Peer("innaprop", _published),
    "SGD": Peer("sgd", _usual),
    "SGD-Nesterov": Peer("sgd_nesterov", _usual),
    "AdamW beside SGD": Peer("adamw", _adamw_beside_sgd),
}
"""By label."""


def _damped(lr: float, momentum: float, damping: float, fixed: Mapping[str, float]) -> Trial:
    return Trial(lr, momentum, damping, {"lr": lr, "momentum": momentum, "damping": damping, **fixed})


def _following(lr: float, momentum: float, damping: float, fixed: Mapping[str, float]) -> Trial:
    """INNAprop that takes the same steps while the learning rate is at its peak, with α and β constant."""
    settings = from_damping(lr, momentum, damping)
    given = {"lr": settings.learning_rate, "alpha": settings.alpha, "beta": settings.beta}
    # AdamW's weight decay, times β.
    return Trial(lr, momentum, damping, {**given, **fixed, "weight_decay": fixed["weight_decay"] * settings.beta})


VARIANTS: Final[Mapping[str, Variant]] = {
    "DampedAdamW": Variant("damped_adamw", "AdamW", {1.0: "AdamW"}, (NESTEROV, RULE), _damped),
    "DampedAdamW, INNAprop's order": Variant(
        "damped_adamw_innaprop_order", "AdamW", {}, (1.0, NESTEROV, RULE), _damped
    ),
    "INNAprop, α and β constant": Variant("innaprop", "AdamW", {}, (RULE,), _following),
    "Damped Muon": Variant("damped_muon", "Muon", {NESTEROV: "Muon"}, (RULE,), _damped),
    "DampedSGD": Variant("damped_sgd", "SGD", {1.0: "SGD", NESTEROV: "SGD-Nesterov"}, (RULE,), _damped),
}
"""By label."""

BASES: Final = {"adam": ("AdamW", "DampedAdamW"), "sgd": ("SGD", "DampedSGD")}
"""By family, the optimizer that the others are compared with, and the damped one that contains it."""


AT_EQUAL_HYPERPARAMETERS: Final = ("NAdamW", "SGD-Nesterov")
"""Peers that differ from a base only in the order in which a gradient acts: they run at its hyperparameters, too."""


def damping_of(damping: Damping, momentum: float, rule: Callable[[float], float] | None = None) -> float:
    """r at a momentum, to three digits after the point.

    Raises:
        ValueError: There is no such damping.

    Example:
        >>> damping_of("nesterov", 0.9), damping_of(3.0, 0.9)
        (1.9, 3.0)
    """
    if not isinstance(damping, str):
        return float(damping)
    if damping == NESTEROV:
        return round(damping_of_nesterov(momentum), 3)
    if damping == RULE and rule is not None:
        return round(rule(momentum), 3)
    raise ValueError(f"damping must be a number, {NESTEROV!r} or, after the grid, {RULE!r}, got {damping!r}")


def contestants(grid: Grid, peers: Sequence[str], variants: Mapping[str, Sequence[Damping]]) -> dict[str, Contestant]:
    """Those that are searched, by label.

    Args:
        grid: Of the base.
        peers: Labels in `PEERS`.
        variants: For labels in `VARIANTS`, the dampings of their grids.

    Raises:
        KeyError: There is no such label.

    Example:
        >>> grid = Grid((0.001,), (0.9, 0.95), {"weight_decay": 0.1, "norm_decay": 0.99})
        >>> found = contestants(grid, ["AdamW"], {"DampedAdamW": [1.0, "nesterov", 3.0]})
        >>> {label: len(each.trials) for label, each in found.items()}
        {'AdamW': 2, 'DampedAdamW': 4}
    """
    found = {}
    for label in peers:
        peer = PEERS[label]
        found[label] = Contestant(label, peer.optimizer, peer.schedule, peer.trials(grid))
    for label, dampings in variants.items():
        variant = VARIANTS[label]
        trials = [
            variant.trial(lr, mu, damping_of(damping, mu), grid.fixed)
            for lr, mu in grid.cells()
            for damping in dampings
            if variant.same.get(damping) not in found
        ]
        found[label] = Contestant(label, variant.optimizer, "cosine", trials)
    return found


def drawn(contestant: Contestant, number: int) -> list[int]:
    """The numbers of so many of its trials, drawn at random: a search no larger than that of the others."""
    generator = np.random.default_rng([0, *contestant.label.encode()])
    number = min(number, len(contestant.trials))
    return sorted(generator.choice(len(contestant.trials), number, replace=False).tolist())


def described(trial: Trial) -> str:
    """For tables.

    Example:
        >>> described(Trial(0.004, 0.9, 1.9, {}))
        'η 0.004, μ 0.9, r 1.9'
    """
    parts: list[tuple[str, Any]] = [("η", trial.learning_rate), ("μ", trial.momentum), ("r", trial.damping)]
    if trial.momentum is None:
        parts[0] = ("γ", trial.learning_rate)
    return ", ".join(f"{name} {value:g}" for name, value in parts if value is not None)
