"""A step that keeps a multiple of the velocity, b = c m: with the right c it is one primitive of a tensor library.

SGD with Nesterov momentum, b⁺ = μb + (1 − d)g and θ⁺ = θ − η(g + μb⁺), is a whole step if b⁺ = c⁺m⁺ with c⁺² = c c*,
where c* = A/(ρT). While α, β and γ stay as they are, c = c* stays, too.

Here ρ, G, A and T are the coefficients of m and g in m⁺, and of m⁺ and g in θ⁺: see
`indian_core.dynamics.StepCoefficients`. For INDIAN, c* = −1/(ρ(β − γ)): the gradient's share of a Nesterov step has one
sign and INDIAN's changes at β = γ, so c* has a pole there, and c changes sign beyond it.
"""

import math
from typing import Final, NamedTuple

from indian_core.dynamics import StepCoefficients

__all__ = ["HeavyBallStep", "NesterovStep", "heavy_ball_step", "nesterov_multiple", "nesterov_step", "of_multiple"]

_SMALLEST_GAIN: Final = 2.0**-20
"""The smallest 1 − d in use, other than 0; d is rounded to multiples of 2^−53."""


class NesterovStep(NamedTuple):
    """One step of INDIAN as one step of SGD with Nesterov momentum and weight decay.

    With θ′ = ``theta_factor`` θ and g′ = g + ``weight_decay`` θ′::

        b⁺ = momentum b + (1 - dampening) g′
        θ⁺ = θ′ - learning_rate (g′ + momentum b⁺)

    Attributes:
        theta_factor: What θ is multiplied by before the step; 1 without weight decay.
        learning_rate: η; may be negative.
        momentum: μ; may be negative, never 0.
        dampening: d, of any size.
        weight_decay: Of SGD, added to the gradient; 0 without weight decay.
        multiple: c⁺, of the new buffer: b⁺ = c⁺m⁺.
    """

    theta_factor: float
    learning_rate: float
    momentum: float
    dampening: float
    weight_decay: float
    multiple: float


class HeavyBallStep(NamedTuple):
    """One step as one step of SGD with momentum that is not Nesterov's.

    With θ′ = ``theta_factor`` θ and g′ = g + ``weight_decay`` θ′::

        b⁺ = momentum b + (1 - dampening) g′
        θ⁺ = θ′ - learning_rate b⁺

    Attributes:
        theta_factor: What θ is multiplied by before the step; 1 without decoupled weight decay.
        learning_rate: η.
        momentum: μ.
        dampening: d, of any size.
        weight_decay: Of SGD, added to the gradient.
    """

    theta_factor: float
    learning_rate: float
    momentum: float
    dampening: float
    weight_decay: float


def heavy_ball_step(coefficients: StepCoefficients) -> HeavyBallStep | None:
    """The step as one of SGD with Polyak's momentum, on the velocity itself; None if it is no such step.

    Args:
        coefficients: Python numbers, in post form.

    Example:
        >>> from indian_core.damping import post_damping_form
        >>> heavy_ball_step(post_damping_form(0.5, momentum=0.25, damping=1.0, gain=1.0))
        HeavyBallStep(theta_factor=1.0, learning_rate=0.5, momentum=0.25, dampening=0.0, weight_decay=0.0)
    """
    c = coefficients
    others = (c.theta_gradient, c.theta_velocity, c.gradient_velocity, c.velocity_decay)
    if any(other != 0 for other in others) or 0 < abs(c.velocity_gradient) < _SMALLEST_GAIN or c.theta_decay <= -0.5:
        return None
    return HeavyBallStep(
        theta_factor=1 + c.theta_decay,
        learning_rate=-c.theta_next_velocity,
        momentum=c.velocity_velocity,
        dampening=1 - c.velocity_gradient,
        weight_decay=c.gradient_decay,
    )


def of_multiple(coefficients: StepCoefficients, multiple: float) -> StepCoefficients:
    """The same step as a linear map of (θ, b, g), where b = ``multiple`` · m is kept in place of the velocity.

    Args:
        coefficients: Of (θ, m, g).
        multiple: c, not 0.

    Example:
        >>> from indian_core.dynamics import pre_form
        >>> of_multiple(pre_form(0.5, alpha=1.0, beta=0.25), multiple=4.0).theta_velocity
        0.125
    """
    c = coefficients
    return c._replace(
        velocity_decay=multiple * c.velocity_decay,
        velocity_gradient=multiple * c.velocity_gradient,
        theta_velocity=c.theta_velocity / multiple,
        theta_next_velocity=c.theta_next_velocity / multiple,
        gradient_velocity=c.gradient_velocity / multiple,
    )


def nesterov_multiple(coefficients: StepCoefficients) -> float:
    """c* = −1/(ρ(β − γ)), the multiple that a step of SGD with Nesterov momentum leaves as it is.

    Args:
        coefficients: Python numbers, from `indian_core.dynamics.post_form` or
            `indian_core.damping.post_damping_form`.

    Returns:
        c*; infinite where no such step exists, for β = γ, where ρ is so small that the step needs the old velocity, and
        where weight decay would take half of θ or more; and where 1 − d would be so small that rounding d would matter,
        about where γ is smaller than 1e-6 β.

    Example:
        >>> from indian_core.dynamics import post_form
        >>> nesterov_multiple(post_form(0.5, alpha=1.0, beta=0.75))
        -8.0
    """
    c = coefficients
    if c.gradient_velocity != 0 or c.theta_velocity != 0 or _theta_factor(c) <= 0.5:
        return math.inf
    multiple = _divide(c.theta_next_velocity, c.velocity_velocity * c.theta_gradient)
    return math.inf if 0 < abs(multiple * c.velocity_gradient) < _SMALLEST_GAIN else multiple


def nesterov_step(coefficients: StepCoefficients, multiple: float) -> NesterovStep:
    """The step as one of SGD with Nesterov momentum, for a buffer b = ``multiple`` · m.

    Args:
        coefficients: Python numbers, from `indian_core.dynamics.post_form`; those of a step that is not the first.
        multiple: c, of the sign of `nesterov_multiple`, which is finite.

    Example:
        >>> from indian_core.dynamics import post_form
        >>> step = post_form(0.5, alpha=1.0, beta=0.75)
        >>> nesterov_step(step, multiple=nesterov_multiple(step)).momentum  # ρ
        0.5
    """
    c = coefficients
    next_multiple = math.copysign(math.sqrt(multiple * nesterov_multiple(c)), multiple)
    dampening = 1 - next_multiple * c.velocity_gradient
    # For small γ that was rounded coarsely. A multiple that fits it leaves the error to the gradient's share of θ⁺,
    # where it does not add up.
    if c.velocity_gradient != 0:
        next_multiple = (1 - dampening) / c.velocity_gradient
    momentum = c.velocity_velocity * (next_multiple / multiple)
    theta_factor = _theta_factor(c)
    return NesterovStep(
        theta_factor=theta_factor,
        learning_rate=-c.theta_next_velocity / (momentum * next_multiple),
        momentum=momentum,
        dampening=dampening,
        weight_decay=(c.gradient_decay + _gradient_decay(c)) / theta_factor,
        multiple=next_multiple,
    )


def _gradient_decay(c: StepCoefficients) -> float:
    """The multiple of θ that, added to g, brings about the decay of m; 0 for αβ = 1, where m has none."""
    return float(c.velocity_velocity * c.velocity_decay / c.velocity_gradient) if c.velocity_gradient != 0 else 0.0


def _theta_factor(c: StepCoefficients) -> float:
    """The rest of the decay of θ, beyond what it gets through the gradient."""
    return float(1 + c.theta_decay - c.theta_gradient * _gradient_decay(c))


def _divide(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator != 0 else math.inf
