"""The plain NumPy loop over the phase form: the oracle that every implementation is tested against.

Nothing here is fast or shared with the adapters: it is equation (11) of the paper, written down.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from indian_core.dynamics import initial_phase, phase_step, weight_decay_step
from indian_core.hyperparameters import (
    DEFAULTS,
    NON_NEGATIVE,
    check,
    check_number,
    check_shape,
    check_whole_number,
)

__all__ = ["PhaseForm", "Trajectory", "trajectory"]

FloatArray: TypeAlias = npt.NDArray[Any]


class PhaseForm:
    """One array of parameters, moved a step at a time in phase form.

    Args:
        theta: θ₀, an array of a floating or complex dtype; copied.
        alpha: α >= 0.
        beta: β > 0.
        initial_speed: s.
        weight_decay: λ >= 0.

    Attributes:
        theta: θ, of θ₀'s shape and dtype.
        phase: ψ, likewise; None before the first step, since ψ₀ depends on the first gradient.

    Raises:
        TypeError, ValueError: A hyperparameter is not a number in its range.

    Example:
        >>> theta = PhaseForm(np.array([1.0]), alpha=0.5, beta=0.1)
        >>> theta.step(gradient=theta.theta, step_size=0.1)
        >>> theta.theta
        array([0.9])
    """

    def __init__(
        self,
        theta: npt.ArrayLike,
        *,
        alpha: float = DEFAULTS.alpha,
        beta: float = DEFAULTS.beta,
        initial_speed: float = DEFAULTS.initial_speed,
        weight_decay: float = DEFAULTS.weight_decay,
    ) -> None:
        check(alpha=alpha, beta=beta, initial_speed=initial_speed, weight_decay=weight_decay)
        self.theta: FloatArray = np.array(theta)
        self.phase: FloatArray | None = None
        self.alpha = alpha
        self.beta = beta
        self.initial_speed = initial_speed
        self.weight_decay = weight_decay

    def step(self, gradient: npt.ArrayLike, step_size: float) -> None:
        """Move θ and ψ by one step.

        Args:
            gradient: g at the current θ, of its shape.
            step_size: γ >= 0 of this step.

        Raises:
            TypeError, ValueError: ``step_size`` is not a number in its range, or ``gradient`` not of θ's shape.
        """
        check_number("step_size", step_size, NON_NEGATIVE)
        gradient = np.asarray(gradient)
        check_shape("gradient", gradient.shape, self.theta.shape)
        if self.phase is None:
            self.phase = initial_phase(self.theta, gradient, self.alpha, self.beta, self.initial_speed)
        theta = weight_decay_step(self.theta, step_size, self.weight_decay)
        self.theta, self.phase = phase_step(theta, self.phase, gradient, step_size, self.alpha, self.beta)


class Trajectory(NamedTuple):
    """The iterates of one run.

    Attributes:
        theta: θ₀ … θ_n, an array of shape (n + 1, *shape of θ).
        phase: ψ₀ … ψ_n, likewise.
    """

    theta: FloatArray
    phase: FloatArray


def trajectory(
    gradient: Callable[[FloatArray, int], npt.ArrayLike],
    theta: npt.ArrayLike,
    step_size: float | Callable[[int], float],
    steps: int,
    *,
    alpha: float = DEFAULTS.alpha,
    beta: float = DEFAULTS.beta,
    initial_speed: float = DEFAULTS.initial_speed,
    weight_decay: float = DEFAULTS.weight_decay,
) -> Trajectory:
    """Run the phase form and keep every iterate.

    Args:
        gradient: g(θ, k), the gradient at θ for step k = 0, 1, …; k serves to choose a mini-batch.
        theta: θ₀.
        step_size: γ, or a schedule: a function of k.
        steps: Number of steps n >= 0.
        alpha: α >= 0.
        beta: β > 0.
        initial_speed: s.
        weight_decay: λ >= 0.

    Raises:
        TypeError, ValueError: A hyperparameter is not a number in its range.

    Example:
        >>> run = trajectory(lambda theta, k: theta, np.array([1.0]), 0.1, 100)
        >>> run.theta.shape
        (101, 1)
    """
    check_whole_number("steps", steps)
    if not callable(step_size):
        check(learning_rate=step_size)
    phase_form = PhaseForm(theta, alpha=alpha, beta=beta, initial_speed=initial_speed, weight_decay=weight_decay)
    start = phase_form.theta
    first_gradient = np.asarray(gradient(start, 0))
    thetas, phases = [start], [initial_phase(start, first_gradient, alpha, beta, initial_speed)]
    for k in range(steps):
        gamma = step_size(k) if callable(step_size) else step_size
        # Asked for once a step, since a gradient may draw its own mini-batch.
        phase_form.step(gradient(phase_form.theta, k) if k > 0 else first_gradient, gamma)
        assert phase_form.phase is not None
        thetas.append(phase_form.theta)
        phases.append(phase_form.phase)
    return Trajectory(np.stack(thetas), np.stack(phases))
