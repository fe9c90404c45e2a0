"""The damping form in NumPy, by the core's coefficients: the oracle of the damped optimizers."""

from typing import Any

import numpy as np

from indian_core.damping import pre_damping_form
from indian_core.dynamics import velocity_step
from indian_core.norms import accumulate, norm_coefficients, preconditioned, scale

__all__ = ["DampedForm"]


class DampedForm:
    """One array of parameters, moved a step at a time.

    Args:
        theta: θ₀; copied.
        momentum: μ.
        damping: r.
        weight_decay: λ, decoupled.
        order: ``"adam"`` or ``"innaprop"``, in the norm of RMSProp with the bias taken out; None is SGD, whose buffer
            is no average.
        norm_decay: σ.
        norm_epsilon: ε.
    """

    def __init__(
        self,
        theta: Any,
        momentum: float,
        damping: float,
        weight_decay: float = 0.0,
        order: str | None = None,
        norm_decay: float = 0.999,
        norm_epsilon: float = 1e-7,
    ) -> None:
        self.theta = np.array(theta, float)
        self.buffer, self.squares = np.zeros_like(self.theta), np.zeros_like(self.theta)
        self.momentum, self.damping, self.weight_decay, self.order = momentum, damping, weight_decay, order
        self.norm_decay, self.norm_epsilon = norm_decay, norm_epsilon
        self.count = 0

    def step(self, gradient: Any, learning_rate: float, count: int | None = None) -> None:
        """Take a step; its number is ``count``, or one more than that of the last."""
        g = np.asarray(gradient, float)
        self.count = self.count + 1 if count is None else count
        has_norm = self.order is not None
        options = {"count": self.count} if has_norm else {"gain": 1.0}
        step = pre_damping_form(learning_rate, self.momentum, self.damping, **options)
        a: Any = 1.0
        if has_norm:
            norm = norm_coefficients("rmsprop", self.count, self.norm_decay, self.norm_epsilon)
            self.squares = accumulate(self.squares, g, norm)
            a = scale(self.squares, norm)
        first, last = (1.0, a) if self.order == "adam" else (a, 1.0)
        move, self.buffer = velocity_step(None, self.buffer, preconditioned(g, first), step)
        self.theta = self.theta + preconditioned(move, last) - learning_rate * self.weight_decay * self.theta
