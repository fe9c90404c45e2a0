"""The damped optimizers: what is run, and the path that all of them are to walk."""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from tests.cross_framework.problems import PROBLEMS, Arrays
from tests.damped_form import DampedForm

NORM_DECAY, NORM_EPSILON = 0.96875, 1e-3
"""Of DampedAdamW; the first is a number that float32 has, since Keras rounds its own AdamW's to that on TensorFlow."""


@dataclass(frozen=True)
class DampedCase:
    """One run under a linear warm-up and half a cosine, in float64. The second parameter array does not decay.

    Attributes:
        problem: A key of `PROBLEMS`.
        learning_rate: The largest.
        momentum: μ.
        damping: r.
        order: That of DampedAdamW; None is DampedSGD.
        weight_decay: λ of the first parameter array, decoupled.
        steps: Number of steps.
    """

    problem: str
    learning_rate: float
    momentum: float
    damping: float
    order: str | None
    weight_decay: float = 0.0
    steps: int = 300

    def first_steps(self, steps: int) -> "DampedCase":
        """The same with at most so many steps."""
        return replace(self, steps=min(steps, self.steps))

    def start(self) -> Arrays:
        """The initial parameters."""
        return [np.array(array) for array in PROBLEMS[self.problem].start]

    def gradient(self, parameters: Arrays, k: int) -> Arrays:
        """The gradients for step k."""
        return [np.asarray(g, np.float64) for g in PROBLEMS[self.problem].gradient(parameters, k)]

    def rates(self) -> list[float]:
        """The learning rate of each step."""
        warm_up = self.steps // 10
        k = np.arange(self.steps)
        cosine = (1 + np.cos(np.pi * (k - warm_up) / (self.steps - warm_up))) / 2
        return (self.learning_rate * np.where(k < warm_up, (k + 1) / warm_up, cosine)).tolist()

    @property
    def is_nesterov(self) -> bool:
        """Whether the damping is that of Nesterov's momentum."""
        return self.damping == 1 + self.momentum

    def __str__(self) -> str:
        parts = [self.problem, self.order or "sgd", f"{self.momentum:g},{self.damping:g}"]
        return "-".join([*parts, f"decay {self.weight_decay:g}"] if self.weight_decay else parts)


@cache
def damped_oracle(case: DampedCase) -> np.ndarray:
    """θ after each step, in NumPy."""
    decays = (case.weight_decay, 0.0)
    forms = [
        DampedForm(start, case.momentum, case.damping, decay, case.order, NORM_DECAY, NORM_EPSILON)
        for start, decay in zip(case.start(), decays, strict=True)
    ]
    thetas = []
    for k, rate in enumerate(case.rates()):
        for form, gradient in zip(forms, case.gradient([form.theta for form in forms], k), strict=True):
            form.step(gradient, rate)
        thetas.append(flat([form.theta for form in forms]))
    return np.stack(thetas)


def flat(arrays: Arrays) -> np.ndarray:
    """All entries of the parameters."""
    return np.concatenate([np.ravel(np.asarray(array, np.float64)) for array in arrays])


# Momenta that float32 has, to which Keras rounds its own on TensorFlow.
_LONG, _SHORT = 0.875, 0.125

DAMPED_CASES = [
    DampedCase("quadratic", 0.05, _LONG, damping, order, weight_decay)
    for damping in (1.0, 1 + _LONG, 3.0)
    for order, weight_decay in ((None, 0.0), (None, 0.125), ("adam", 0.125), ("innaprop", 0.125))
] + [
    DampedCase(problem, 0.02, momentum, 3.0, order)
    for problem, momentum in (("quadratic", _SHORT), ("logistic regression", _LONG))
    for order in (None, "adam", "innaprop")
]

OWN_CASES = [
    DampedCase("quadratic", 0.05, _LONG, 1.0, None, steps=2_000),
    DampedCase("quadratic", 0.05, _LONG, 1 + _LONG, None, steps=2_000),
    DampedCase("logistic regression", 0.02, _LONG, 1.0, "adam", 0.125, steps=2_000),
]
"""Those that the frameworks' own AdamW and SGD take, too.

AdamW has gradients of mini-batches, which keep its norm large: near a minimum of the whole function, rounding errors
grow from step to step.
"""
