"""Where on the map INDIAN runs, and the contestants of the comparison.

A gradient that stays the same moves the parameters, in the end, by γ/α times itself a step: the effective learning
rate. It is the learning rate of gradient descent, and lr/(1 − μ) of SGD with momentum μ, and it does not depend on β.
With the momentum μ = 1 − αγ and the ratio β/γ it determines a run from rest. So every point (μ, β/γ) tries the same
effective learning rates.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from experiments.lib.comparison import Contestant
from experiments.lib.tuning import grid_trials, in_long_run_terms
from experiments.papers.image_classification import settings_label
from indian_core import DEFAULTS, from_momentum_sgd

__all__ = [
    "CONSTANT",
    "DEFAULT_PAIR",
    "NESTEROV",
    "PAIRS",
    "Point",
    "adam",
    "at_rest",
    "in_framework",
    "nesterov",
    "on_map",
    "pair",
    "place",
    "points",
]

CONSTANT: Final = {"kind": "constant"}
"""The schedule of all runs: a step size that shrinks moves a run over the map."""

NESTEROV: Final = "1 + μ"
"""The ratio that depends on the momentum, among those of a grid."""

LARGEST_FIRST_MOVE: Final = 1.5
"""Points are left out where a gradient first moves the parameters more than so many times as far as it does in the end,
which is αβ times; what is too much is taken back step by step."""

DEFAULT_PAIR: Final = (DEFAULTS.alpha, DEFAULTS.beta)

PAIRS: Final = ((0.1, 0.1), (0.5, 0.1), (0.5, 0.5), (0.5, 1.0), DEFAULT_PAIR)
"""The papers' (α, β), and the package's default."""


class Point(NamedTuple):
    """Momentum μ = 1 − αγ, and ratio β/γ."""

    momentum: float
    ratio: float

    @property
    def label(self) -> str:
        """In tables."""
        return f"INDIAN, μ = {self.momentum:g}, β/γ = {self.ratio:g}"

    @property
    def beyond_nesterov(self) -> bool:
        """Whether the Newton damping is stronger than Nesterov's."""
        return self.ratio > nesterov(self.momentum) * (1 + 1e-9)

    @property
    def first_move(self) -> float:
        """αβ: how far a gradient moves the parameters at once, relative to how far it does in the end."""
        return (1 - self.momentum) * self.ratio


def nesterov(momentum: float) -> float:
    """The ratio with which INDIAN is SGD with Nesterov's momentum."""
    settings = from_momentum_sgd(1.0, momentum, nesterov=True)
    return settings.beta / settings.learning_rate


def points(momenta: Sequence[float], ratios: Sequence[float | str]) -> list[Point]:
    """The points of a grid, row by row and each once, except those with a large first move.

    Example:
        >>> points([0.0, 0.9], [1.0, NESTEROV, 5.0])
        [Point(momentum=0.0, ratio=1.0), Point(momentum=0.9, ratio=1.0), Point(momentum=0.9, ratio=1.9), \
Point(momentum=0.9, ratio=5.0)]
    """
    found = [
        Point(momentum, nesterov(momentum) if ratio == NESTEROV else float(ratio))
        for momentum in momenta
        for ratio in ratios
    ]
    # Without momentum, Nesterov's is none.
    return [point for point in dict.fromkeys(found) if point.first_move <= LARGEST_FIRST_MOVE * (1 + 1e-9)]


def place(hyperparameters: Mapping[str, float]) -> Point:
    """Where on the map some hyperparameters are.

    Example:
        >>> place({"lr": 0.1, "alpha": 0.25, "beta": 0.8})
        Point(momentum=0.975, ratio=8.0)
    """
    step_size = hyperparameters["lr"]
    return Point(1 - hyperparameters["alpha"] * step_size, hyperparameters["beta"] / step_size)


def at_rest(effective_rate: float, point: Point) -> dict[str, float]:
    """INDIAN's hyperparameters, with the initial speed that is a start from rest."""
    found = in_long_run_terms(effective_rate, point.momentum, point.ratio)
    return {**found, "initial_speed": found["beta"]}


def on_map(point: Point, effective_rates: Sequence[float]) -> Contestant:
    """INDIAN at a point."""
    return Contestant(point.label, "INDIAN", [at_rest(rate, point) for rate in effective_rates], CONSTANT)


def pair(alpha: float, beta: float, effective_rates: Sequence[float]) -> Contestant:
    """INDIAN with some (α, β); its place on the map depends on the step size."""
    trials = grid_trials(
        lr=[alpha * rate for rate in effective_rates], alpha=(alpha,), beta=(beta,), initial_speed=(beta,)
    )
    return Contestant(settings_label(alpha, beta), "INDIAN", trials, CONSTANT)


def in_framework(momentum: float, effective_rates: Sequence[float]) -> Contestant:
    """SGD with Nesterov's momentum as the framework has it."""
    trials = grid_trials(lr=[rate * (1 - momentum) for rate in effective_rates], momentum=(momentum,))
    return Contestant(f"SGD-Nesterov, momentum {momentum:g}", "SGD-Nesterov", trials, CONSTANT)


def adam(momentum: float, learning_rates: Sequence[float]) -> Contestant:
    """Adam with a momentum of its own."""
    trials: list[dict[str, Any]] = grid_trials(lr=learning_rates, beta1=(momentum,), beta2=(0.999,))
    return Contestant(f"Adam, β₁ = {momentum:g}", "Adam", trials, CONSTANT)
