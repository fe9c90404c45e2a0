"""Choosing hyperparameters at equal budget for every optimizer: random search and grid search.

A choice is made by the loss on training or validation data, never by test data. A run that diverges has an infinite
loss, and is kept among the trials.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from indian_core import from_adamw, from_momentum_sgd

__all__ = [
    "SPACES",
    "Choice",
    "LogUniform",
    "Space",
    "final",
    "grid_trials",
    "in_adam_terms",
    "in_long_run_terms",
    "random_trials",
]

Hyperparameters = dict[str, float]


class LogUniform(NamedTuple):
    """Numbers whose logarithm is uniform."""

    low: float
    high: float

    def draw(self, generator: np.random.Generator) -> float:
        """One of them, to three digits."""
        return float(f"{np.exp(generator.uniform(np.log(self.low), np.log(self.high))):.3g}")


class Choice(NamedTuple):
    """One of some values, all with the same probability."""

    values: tuple[float, ...]

    def draw(self, generator: np.random.Generator) -> float:
        """One of them."""
        return float(generator.choice(self.values))


class Space(NamedTuple):
    """What one would take untuned, which is every search's first trial, and where to search."""

    untuned: Mapping[str, float]
    ranges: Mapping[str, LogUniform | Choice]


_ADAM: Final[dict[str, LogUniform | Choice]] = {
    "lr": LogUniform(1e-4, 1e-2),
    "beta1": Choice((0.8, 0.9, 0.95)),
    "beta2": Choice((0.95, 0.99, 0.999)),
    "weight_decay": Choice((0.0, 0.01, 0.1)),
}
_INDIAN: Final[dict[str, LogUniform | Choice]] = {
    "lr": LogUniform(0.02, 1.0),
    "alpha": Choice((0.1, 0.25, 0.5, 1.0)),
    "beta": LogUniform(0.05, 2.0),
}

SPACES: Final = {
    # The papers' α and β, and those around the package's default.
    "INDIAN": Space({"lr": 0.1, "alpha": 0.25, "beta": 0.8}, _INDIAN),
    "INDIAN, AdaGrad norm": Space({"lr": 0.01, "alpha": 0.1, "beta": 0.9}, {**_INDIAN, "lr": LogUniform(1e-3, 1e-1)}),
    # The learning rates and weight decays of AdamW, which its authors take over; their recommended pairs (0.1, 0.9) and
    # (2, 2), and values between them.
    "INNAprop": Space(
        {"lr": 1e-3, "alpha": 0.1, "beta": 0.9, "weight_decay": 0.01},
        {
            "lr": _ADAM["lr"],
            "alpha": Choice((0.1, 0.5, 0.9, 2.0)),
            "beta": Choice((0.5, 0.9, 2.0)),
            "weight_decay": _ADAM["weight_decay"],
        },
    ),
    # In AdamW's terms, see `in_adam_terms`: its ranges, with Newton damping from Nesterov's on.
    "INNAprop, Adam's memory": Space(
        {"lr": 1e-3, "momentum": 0.9, "ratio": 1.9, "norm_decay": 0.999, "weight_decay": 0.01},
        {
            "lr": _ADAM["lr"],
            "momentum": _ADAM["beta1"],
            "ratio": Choice((1.9, 3.0, 5.0)),
            "norm_decay": _ADAM["beta2"],
            "weight_decay": _ADAM["weight_decay"],
        },
    ),
    "AdamW": Space({"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "weight_decay": 0.01}, _ADAM),
    "NAdam": Space({"lr": 2e-3, "beta1": 0.9, "beta2": 0.999, "weight_decay": 0.0}, _ADAM),
    "Adam": Space({"lr": 1e-3, "beta1": 0.9, "beta2": 0.999}, {name: _ADAM[name] for name in ("lr", "beta1", "beta2")}),
    "AdaGrad": Space({"lr": 0.01}, {"lr": LogUniform(1e-3, 0.3)}),
    "RMSProp": Space({"lr": 1e-3, "alpha": 0.99}, {"lr": LogUniform(1e-4, 1e-2), "alpha": Choice((0.9, 0.99, 0.999))}),
    "SGD": Space({"lr": 0.1}, {"lr": LogUniform(3e-3, 1.0)}),
    "SGD-Nesterov": Space(
        {"lr": 0.1, "momentum": 0.9}, {"lr": LogUniform(3e-3, 1.0), "momentum": Choice((0.8, 0.9, 0.95, 0.99))}
    ),
}
"""Where each optimizer is searched."""


def random_trials(optimizer: str, number: int, seed: int = 0) -> list[Hyperparameters]:
    """The untuned hyperparameters of an optimizer, and random ones: the same for the same seed.

    Example:
        >>> random_trials("SGD", 3)[0]
        {'lr': 0.1}
    """
    untuned, ranges = SPACES[optimizer]
    generator = np.random.default_rng([seed, *optimizer.encode()])
    trials = [dict(untuned)]
    for _ in range(number - 1):
        trials.append({name: values.draw(generator) for name, values in ranges.items()})
    return trials


def in_long_run_terms(rate: float, momentum: float, ratio: float) -> Hyperparameters:
    """INDIAN's learning rate γ, α and β.

    Args:
        rate: γ/α, how far a gradient that stays the same moves the parameters in a step in the end, relative to itself.
        momentum: 1 − αγ.
        ratio: β/γ.

    Example:
        >>> {name: round(value, 12) for name, value in in_long_run_terms(0.1, 0.9, 2.0).items()}
        {'lr': 0.1, 'alpha': 1.0, 'beta': 0.2}
    """
    step_size, alpha, _, _ = from_momentum_sgd(rate * (1 - momentum), momentum)
    return {"lr": step_size, "alpha": alpha, "beta": ratio * step_size}


def in_adam_terms(lr: float, momentum: float, ratio: float, norm_decay: float, weight_decay: float) -> Hyperparameters:
    """INNAprop's hyperparameters, from those of an AdamW that moves the parameters as far in the end.

    A scaled gradient that stays the same moves the parameters by lr times itself a step, after about 1/(1 − momentum)
    steps, and a step starts with a decay by lr × weight_decay. What the velocity then adds to the decay makes it larger
    than AdamW's in the end, by 1/((1 − momentum) ratio): see `indian_core.adamw.from_adamw`. The ratio is β/γ.

    Example:
        >>> in_adam_terms(0.001, 0.9, 1.9, 0.999, 0.01)["alpha"]
        10.0
    """
    found = from_adamw(lr, momentum, damping=ratio)
    numbers = {"lr": found.learning_rate, "alpha": found.alpha, "beta": found.beta, "norm_decay": norm_decay}
    numbers["weight_decay"] = weight_decay * lr / found.learning_rate
    return {name: float(f"{value:.3g}") for name, value in numbers.items()}


def grid_trials(**values: Sequence[float]) -> list[Hyperparameters]:
    """All combinations.

    Example:
        >>> grid_trials(lr=(0.1, 0.2), momentum=(0.9,))
        [{'lr': 0.1, 'momentum': 0.9}, {'lr': 0.2, 'momentum': 0.9}]
    """
    return [dict(zip(values, combination, strict=True)) for combination in itertools.product(*values.values())]


def final(result: Mapping[str, Any], quantity: str) -> float:
    """The last value of a quantity in a run, by which runs are compared; infinite if the run has diverged.

    Raises:
        ValueError: The quantity is measured on test data.
    """
    if quantity.startswith("test"):
        raise ValueError(f"hyperparameters are never chosen by test data, so not by {quantity!r}")
    value = math.inf if result["diverged"] else float(result[quantity][-1])
    return value if math.isfinite(value) else math.inf
