"""SGD with momentum as a member of the family, exactly: its hyperparameters to INDIAN's and back.

With a constant step size and no initial velocity (s = β), INDIAN is

- Polyak's heavy ball with momentum μ and learning rate γ², for β = γ and α = (1 − μ)/γ;
- Nesterov's momentum μ with learning rate γ², for β = (1 + μ)γ and α = (1 − μ)/γ;
- gradient descent with learning rate γβ, for αβ = 1.

Momentum is meant as torch.optim.SGD, optax.sgd and keras.optimizers.SGD write it: v⁺ = μv + g, no dampening.
"""

import math
from typing import NamedTuple

from indian_core.hyperparameters import MOMENTUM, POSITIVE, Range, check, check_flag, check_number

__all__ = ["INDIANSettings", "MomentumSGDSettings", "from_momentum_sgd", "to_momentum_sgd"]

_RELATIVE_TOLERANCE = 1e-9


class INDIANSettings(NamedTuple):
    """Hyperparameters of INDIAN with a constant step size.

    Attributes:
        learning_rate: γ.
        alpha: α.
        beta: β.
        initial_speed: s.
    """

    learning_rate: float
    alpha: float
    beta: float
    initial_speed: float


class MomentumSGDSettings(NamedTuple):
    """Hyperparameters of stochastic gradient descent with momentum.

    Attributes:
        learning_rate: Factor of the gradient.
        momentum: μ in [0, 1].
        nesterov: Whether the momentum is Nesterov's rather than Polyak's.
    """

    learning_rate: float
    momentum: float
    nesterov: bool


def from_momentum_sgd(learning_rate: float, momentum: float, *, nesterov: bool = False) -> INDIANSettings:
    """Hyperparameters with which INDIAN takes exactly the steps of SGD with momentum.

    Args:
        learning_rate: SGD's learning rate, > 0.
        momentum: μ in [0, 1].
        nesterov: Whether SGD uses Nesterov's momentum.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: An argument is out of its range.

    Example:
        >>> settings = from_momentum_sgd(0.01, 0.9, nesterov=True)
        >>> [round(value, 12) for value in settings]
        [0.1, 1.0, 0.19, 0.19]
    """
    check_number("learning_rate", learning_rate, POSITIVE)
    check_number("momentum", momentum, MOMENTUM)
    check_flag("nesterov", nesterov)
    step_size = math.sqrt(learning_rate)
    beta = (1 + momentum) * step_size if nesterov else step_size
    return INDIANSettings(step_size, alpha=(1 - momentum) / step_size, beta=beta, initial_speed=beta)


def to_momentum_sgd(learning_rate: float, alpha: float, beta: float) -> MomentumSGDSettings:
    """Hyperparameters with which SGD with momentum takes exactly the steps of INDIAN without initial velocity.

    Args:
        learning_rate: γ > 0, constant.
        alpha: α >= 0.
        beta: β > 0.

    Raises:
        TypeError: An argument is not a number.
        ValueError: An argument is out of its range, or INDIAN with these hyperparameters is not SGD with momentum.

    Example:
        >>> to_momentum_sgd(0.1, alpha=1.0, beta=0.1)
        MomentumSGDSettings(learning_rate=0.010000000000000002, momentum=0.9, nesterov=False)
        >>> to_momentum_sgd(0.1, alpha=2.0, beta=0.5)
        MomentumSGDSettings(learning_rate=0.05, momentum=0.0, nesterov=False)
    """
    check_number("learning_rate", learning_rate, POSITIVE)
    check(alpha=alpha, beta=beta)
    if _close(alpha * beta, 1):
        return MomentumSGDSettings(learning_rate * beta, momentum=0.0, nesterov=False)
    check_number("alpha", alpha, Range(0.0, maximum=1 / learning_rate))
    momentum = 1 - alpha * learning_rate
    if _close(beta, learning_rate):
        return MomentumSGDSettings(learning_rate**2, momentum, nesterov=False)
    if _close(beta, (1 + momentum) * learning_rate):
        return MomentumSGDSettings(learning_rate**2, momentum, nesterov=True)
    raise ValueError(
        f"beta must be learning_rate = {learning_rate:g} (heavy ball), "
        f"(2 - alpha * learning_rate) * learning_rate = {(1 + momentum) * learning_rate:g} (Nesterov) "
        f"or 1 / alpha (gradient descent) for INDIAN to be SGD with momentum, got {beta!r}"
    )


def _close(left: float, right: float) -> bool:
    return math.isclose(left, right, rel_tol=_RELATIVE_TOLERANCE)
