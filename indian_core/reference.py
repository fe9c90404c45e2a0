"""Plain NumPy loops over the phase form: the oracles that every implementation is tested against.

Nothing here is fast or shared with the adapters: it is equation (11) of the paper, and INNAprop, written down.
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from indian_core.dynamics import initial_phase, phase_step, weight_decay_step
from indian_core.hyperparameters import (
    DEFAULTS,
    INNAPROP_DEFAULTS,
    NON_NEGATIVE,
    check,
    check_choice,
    check_number,
    check_shape,
    check_whole_number,
    resolve_initial_speed,
)
from indian_core.norms import NORMS, accumulate, norm_coefficients, preconditioned, scale

__all__ = ["PhaseForm", "PublishedINNAprop", "Trajectory", "trajectory"]

FloatArray: TypeAlias = npt.NDArray[Any]


class PhaseForm:
    """One array of parameters, moved a step at a time in phase form.

    Args:
        theta: θ₀, an array of a floating or complex dtype; copied.
        alpha: α >= 0.
        beta: β > 0.
        initial_speed: s; None is β; "auto" is 1 without a norm, and None in one.
        weight_decay: λ >= 0.
        norm: None or one of `indian_core.norms.NORMS`, the norm in which the steps are taken.
        norm_decay: σ in [0, 1), of RMSProp.
        norm_epsilon: ε >= 0, of RMSProp and AdaGrad.

    Attributes:
        theta: θ, of θ₀'s shape and dtype.
        phase: ψ, likewise; None before the first step, since ψ₀ depends on the first gradient.
        accumulator: v of the norm, of θ₀'s shape.
        count: The number of steps taken.

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
        initial_speed: float | Literal["auto"] | None = DEFAULTS.initial_speed,
        weight_decay: float = DEFAULTS.weight_decay,
        norm: str | None = DEFAULTS.norm,
        norm_decay: float = DEFAULTS.norm_decay,
        norm_epsilon: float = DEFAULTS.norm_epsilon,
    ) -> None:
        check(alpha=alpha, beta=beta, initial_speed=initial_speed, weight_decay=weight_decay)
        check(norm_decay=norm_decay, norm_epsilon=norm_epsilon)
        check_choice("norm", norm, NORMS, optional=True)
        self.theta: FloatArray = np.array(theta)
        self.phase: FloatArray | None = None
        self.alpha = alpha
        self.beta = beta
        self.initial_speed: float | None = resolve_initial_speed(initial_speed, norm)
        self.weight_decay = weight_decay
        self.norm = norm
        self.norm_decay = norm_decay
        self.norm_epsilon = norm_epsilon
        self.accumulator = np.zeros_like(self.theta)
        self.count = 0

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
        gradient = self._in_norm(gradient)
        if self.phase is None:
            self.phase = initial_phase(self.theta, gradient, self.alpha, self.beta, self.initial_speed)
        theta = weight_decay_step(self.theta, step_size, self.weight_decay)
        self.theta, self.phase = phase_step(theta, self.phase, gradient, step_size, self.alpha, self.beta)

    def _in_norm(self, gradient: FloatArray) -> FloatArray:
        """A⁻¹g."""
        self.count += 1
        coefficients = norm_coefficients(self.norm, self.count, self.norm_decay, self.norm_epsilon)
        if self.norm is not None:
            self.accumulator = accumulate(self.accumulator, gradient, coefficients)
        return preconditioned(gradient, scale(self.accumulator, coefficients))  # type: ignore[no-any-return]


class PublishedINNAprop:
    """INNAprop as its authors write it: θ moves by the phase after the step, with a division by β − γ.

    As long as γ < β this is `PhaseForm` in the RMSProp norm with ``initial_speed`` None. At γ = β it does not exist,
    and near γ = β it loses digits. Its norm is written out here, not that of `indian_core.norms`. Source: Bolte,
    Boustany, Pauwels, Purica, "A second-order-like optimizer with adaptive gradient scaling for deep learning" (2024).

    Args:
        theta: θ₀, an array of a floating dtype; copied.
        alpha: α >= 0.
        beta: β > 0.
        weight_decay: λ >= 0.
        norm_decay: σ in [0, 1).
        norm_epsilon: ε >= 0.

    Attributes:
        theta: θ, of θ₀'s shape and dtype.
        phase: ψ, likewise.

    Raises:
        TypeError, ValueError: A hyperparameter is not a number in its range.

    Example:
        >>> theta = PublishedINNAprop(np.array([1.0]), alpha=0.1, beta=0.9, weight_decay=0.0)
        >>> theta.step(gradient=theta.theta, step_size=0.1)
        >>> theta.theta.round(6)
        array([0.91])
    """

    def __init__(
        self,
        theta: npt.ArrayLike,
        *,
        alpha: float = INNAPROP_DEFAULTS.alpha,
        beta: float = INNAPROP_DEFAULTS.beta,
        weight_decay: float = INNAPROP_DEFAULTS.weight_decay,
        norm_decay: float = INNAPROP_DEFAULTS.norm_decay,
        norm_epsilon: float = INNAPROP_DEFAULTS.norm_epsilon,
    ) -> None:
        check(alpha=alpha, beta=beta, weight_decay=weight_decay, norm_decay=norm_decay, norm_epsilon=norm_epsilon)
        self.theta: FloatArray = np.array(theta)
        self.phase: FloatArray = (1 - alpha * beta) * self.theta
        self.alpha = alpha
        self.beta = beta
        self.weight_decay = weight_decay
        self.norm_decay = norm_decay
        self.norm_epsilon = norm_epsilon
        self.mean_square = np.zeros_like(self.theta)
        self.count = 0

    def step(self, gradient: npt.ArrayLike, step_size: float) -> None:
        """Move θ and ψ by one step.

        Args:
            gradient: g at the current θ, of its shape.
            step_size: γ >= 0 of this step.

        Raises:
            ZeroDivisionError: γ = β.
        """
        g, gamma, alpha, beta, sigma = np.asarray(gradient), step_size, self.alpha, self.beta, self.norm_decay
        self.count += 1
        self.mean_square = sigma * self.mean_square + (1 - sigma) * g**2
        unbiased = self.mean_square / (1 - sigma**self.count)
        theta = (1 - gamma * self.weight_decay) * self.theta
        self.phase = (1 - gamma / beta) * self.phase + gamma * (1 / beta - alpha) * theta
        self.theta = (
            (1 + gamma * (1 - alpha * beta) / (beta - gamma)) * theta
            - gamma / (beta - gamma) * self.phase
            - gamma * beta * g / (np.sqrt(unbiased) + self.norm_epsilon)
        )


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
    method: type[PhaseForm] | type[PublishedINNAprop] = PhaseForm,
    **settings: Any,
) -> Trajectory:
    """Run a method and keep every iterate.

    Args:
        gradient: g(θ, k), the gradient at θ for step k = 0, 1, …; k serves to choose a mini-batch.
        theta: θ₀.
        step_size: γ, or a schedule: a function of k.
        steps: Number of steps n >= 0.
        method: The phase form of the paper, or that of INNAprop.
        **settings: Arguments of ``method``.

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
    # A step of size 0 ends where it starts, with the phase that belongs to the gradient.
    start, run = method(theta, **settings), method(theta, **settings)
    first_gradient = np.asarray(gradient(start.theta, 0))
    start.step(first_gradient, 0.0)
    thetas, phases = [start.theta], [start.phase]
    for k in range(steps):
        gamma = step_size(k) if callable(step_size) else step_size
        # Asked for once a step, since a gradient may draw its own mini-batch.
        run.step(gradient(run.theta, k) if k > 0 else first_gradient, gamma)
        thetas.append(run.theta)
        phases.append(run.phase)
    return Trajectory(np.stack(thetas), np.stack(phases))  # type: ignore[arg-type]  # no phase is None after a step
