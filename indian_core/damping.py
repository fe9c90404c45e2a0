"""The damping form: INDIAN whose momentum and damping ratio stay as they are under a schedule.

With constant α and β, a schedule that lowers γ also moves the momentum 1 − αγ and the ratio β/γ. The damping form keeps
them. Put γ = √(η(1 − μ)), α = (1 − μ)/γ and β = rγ at every step, and keep the velocity in units that do not depend on
γ. With b an average of the gradients, a step is then::

    b⁺ = μ b + (1 − μ) g
    θ⁺ = (1 − ηλ) θ − η ((1 − ν) g + ν b⁺),    ν = (1 − (1 − μ) r)/μ

η is the learning rate of Adam, μ the momentum, λ a decoupled weight decay, and r = β/γ the damping:

- r = 1 is Polyak's heavy ball: SGD with momentum, and in the norm of RMSProp, with the bias of b taken out, AdamW;
- r = 1 + μ is Nesterov's momentum;
- r = 1/(1 − μ) is gradient descent;
- with μ = 0 it is the extrapolation r g + (1 − r) g⁻, where g⁻ is the gradient before: the optimistic gradient method
  for r = 2.

Without a norm it is quasi-hyperbolic momentum, Ma and Yarats, "Quasi-hyperbolic momentum and Adam for deep learning"
(2019), with their ν. At a constant η it is INDIAN with the constant α and β above, and what Castera, Bolte, Févotte,
Pauwels (2019) prove holds. Where η changes, α and β change with it, which their theorem does not cover.

Every function of a step uses operators only, like those of `indian_core.dynamics`.
"""

import math
from typing import Any, Final, NamedTuple, TypeAlias

import numpy

from indian_core.dynamics import StepCoefficients, displacement, is_absent, next_velocity
from indian_core.hyperparameters import DAMPING, DECAY, POSITIVE, Range, check, check_number
from indian_core.momentum_sgd import INDIANSettings
from indian_core.norms.elementary import bias_correction
from indian_core.norms.geometry import preconditioned

__all__ = [
    "DampingSettings",
    "allows_post_form",
    "damping_of_nesterov",
    "default_damping",
    "default_damping_in_norm",
    "direction_displacement",
    "direction_step",
    "from_damping",
    "post_damping_form",
    "pre_damping_form",
    "to_damping",
]

Array: TypeAlias = Any
"""An array of any framework."""

Scalar: TypeAlias = Any
"""A Python number, or an array of any framework with no dimensions."""

_LEAST_SHARE: Final = (1 - 0.9) * (1 + 0.9)
"""Of a gradient's effect, what comes at once with Nesterov's momentum of 0.9. The product gives exactly 1.9 there."""

_LARGEST_SHARE: Final = 8.0
"""The post form is in use while ν − 1 is no larger: it multiplies the rounding error of the buffer by ν."""


class DampingSettings(NamedTuple):
    """Hyperparameters of the damping form.

    Attributes:
        learning_rate: η, the learning rate of Adam; that of SGD is (1 − μ)η.
        momentum: μ in [0, 1).
        damping: r > 0.
    """

    learning_rate: float
    momentum: float
    damping: float


def pre_damping_form(
    learning_rate: Scalar,
    momentum: Scalar,
    damping: Scalar,
    *,
    weight_decay: Scalar = 0.0,
    penalty: Scalar = 0.0,
    gain: Scalar | None = None,
    count: Scalar | None = None,
    xp: Any = numpy,
) -> StepCoefficients:
    """Coefficients of a step that moves θ by the buffer *before* the step, as a linear map of (θ, b, g).

    The coefficients are those of `indian_core.dynamics.velocity_step`, with b in place of the velocity. In a norm,
    there are two orders. (a) g is A⁻¹g throughout: b averages it, as in INNAprop. (b) b averages g, and A⁻¹ acts on the
    displacement, as in Adam.

    Args:
        learning_rate: η >= 0. With −1 the displacement is the direction (1 − ν) g + ν b⁺.
        momentum: μ in [0, 1]; 1 only with a ``gain``.
        damping: r > 0.
        weight_decay: λ >= 0, decoupled.
        penalty: λ >= 0 of a weight decay that is part of the gradient, g + λθ, as in SGD.
        gain: The weight of a new gradient in the buffer. None: 1 − μ, an average. With 1 the buffer is that of SGD,
            b⁺ = μ b + g, and ``learning_rate`` is SGD's.
        count: k >= 1, the number of the step: the bias of the average is taken out, as in Adam. Not with a ``gain``.
            None: it stays.
        xp: Namespace of ``momentum`` or ``count``, if they are arrays.

    Returns:
        Coefficients of the same kind as the arguments (Python numbers, tensors, tracers).

    Example:
        >>> pre_damping_form(0.5, momentum=0.5, damping=1.5).theta_velocity
        -0.125
    """
    # 1 − (1 − μ) r, written so that it is μ to the last bit for r = 1.
    from_buffer = momentum + (1 - momentum) * (1 - damping)
    if count is None:
        from_gradient = damping * (1 - momentum if gain is None else gain)
    else:
        correction = bias_correction(momentum, count, xp)
        from_gradient = 1 - from_buffer * (bias_correction(momentum, count - 1, xp) / correction)
        from_buffer = from_buffer / correction
    return StepCoefficients(
        theta_decay=0.0 if is_absent(weight_decay) else -learning_rate * weight_decay,
        velocity_decay=0.0,
        velocity_velocity=momentum,
        velocity_gradient=1 - momentum if gain is None else gain,
        # With a buffer that does not act the term is absent for a traced learning rate, too.
        theta_velocity=0.0 if is_absent(from_buffer) else -learning_rate * from_buffer,
        theta_next_velocity=0.0,
        theta_gradient=-learning_rate * from_gradient,
        gradient_decay=penalty,
    )


def post_damping_form(
    learning_rate: Scalar,
    momentum: Scalar,
    damping: Scalar,
    *,
    weight_decay: Scalar = 0.0,
    penalty: Scalar = 0.0,
    gain: Scalar | None = None,
    count: Scalar | None = None,
    xp: Any = numpy,
) -> StepCoefficients:
    """Coefficients of the same step, moving θ by the buffer *after* the step.

    For compilers: the new buffer can overwrite the old one before θ is touched. It divides by μ, so μ must not be near
    0, where the old buffer can no longer be recovered from the new one.

    Args:
        learning_rate: η >= 0. With −1 the displacement is the direction (1 − ν) g + ν b⁺.
        momentum: μ in (0, 1]; 1 only with a ``gain``.
        damping: r > 0.
        weight_decay: As in `pre_damping_form`.
        penalty: As in `pre_damping_form`.
        gain: As in `pre_damping_form`.
        count: As in `pre_damping_form`.
        xp: Namespace of ``momentum`` or ``count``, if they are arrays.

    Returns:
        Coefficients of the same kind as the arguments.

    Example:
        >>> post_damping_form(0.5, momentum=0.5, damping=1.5).theta_next_velocity
        -0.25
    """
    pre = pre_damping_form(learning_rate, momentum, damping, weight_decay=weight_decay, penalty=penalty, gain=gain)
    # ν, written so that it is 1 to the last bit for r = 1.
    share = 1 + (1 - momentum) * (1 - damping) / momentum
    from_gradient = 1 - share if gain is None else (damping - share) * gain
    if count is not None:
        share = share / bias_correction(momentum, count, xp)
    return pre._replace(
        theta_velocity=0.0, theta_next_velocity=-learning_rate * share, theta_gradient=-learning_rate * from_gradient
    )


def allows_post_form(momentum: float, damping: float) -> bool:
    """Whether `post_damping_form` is as exact as `pre_damping_form`: whether ν is of usual size.

    Args:
        momentum: μ in [0, 1].
        damping: r > 0.

    Example:
        >>> allows_post_form(0.9, damping=3.0), allows_post_form(0.01, damping=3.0), allows_post_form(0.01, damping=1.0)
        (True, False, True)
    """
    return momentum > 0 and (1 - momentum) * abs(1 - damping) <= _LARGEST_SHARE * momentum


def direction_step(
    theta: Array, buffer: Array, gradient: Array, scale: Array, coefficients: StepCoefficients
) -> tuple[Array, Array]:
    """Take one step in the order of Adam: b averages g, and A⁻¹ acts on the displacement.

    Args:
        theta: θ.
        buffer: b, of θ's shape.
        gradient: g, of θ's shape.
        scale: A, of θ's shape, with this step's gradient taken in.
        coefficients: From `pre_damping_form` or `post_damping_form`, without a ``penalty``.

    Returns:
        The displacement θ⁺ − θ and the new buffer b⁺.

    Example:
        >>> direction_step(1.0, 0.0, 2.0, 4.0, pre_damping_form(0.5, momentum=0.5, damping=1.5))
        (-0.1875, 1.0)
    """
    next_buffer = next_velocity(None, buffer, gradient, coefficients)
    return direction_displacement(theta, buffer, next_buffer, gradient, scale, coefficients), next_buffer


def direction_displacement(
    theta: Array | None,
    buffer: Array | None,
    next_buffer: Array | None,
    gradient: Array,
    scale: Array,
    coefficients: StepCoefficients,
) -> Array:
    """θ⁺ − θ in the order of Adam, where A⁻¹ acts on all but the decay.

    Args:
        theta: θ; None is allowed where there is no weight decay.
        buffer: b, of θ's shape; None is allowed in post form.
        next_buffer: b⁺, of θ's shape; None is allowed in pre form.
        gradient: g, of θ's shape.
        scale: A, of θ's shape, with this step's gradient taken in.
        coefficients: From `pre_damping_form` or `post_damping_form`, without a ``penalty``.

    Example:
        >>> direction_displacement(1.0, 0.0, None, 2.0, 4.0, pre_damping_form(0.5, momentum=0.5, damping=1.5))
        -0.1875
    """
    step = displacement(None, buffer, next_buffer, gradient, coefficients.without_theta_decay())
    step, decay = preconditioned(step, scale), coefficients.theta_decay
    return step if is_absent(decay) else step + decay * theta


def default_damping(momentum: Scalar) -> Scalar:
    """The damping where none is given and there is no norm: Nesterov's 1 + μ up to μ = 0.9, then 0.19/(1 − μ).

    So αβ = (1 − μ) r, the share of a gradient's effect that comes at once, does not fall below that of Nesterov's
    momentum at μ = 0.9. Of the rules that ``python -m experiments damping`` compares, a constant share loses least.

    Args:
        momentum: μ in [0, 1]. From 0.9 on the damping is larger than Nesterov's, except for 1.

    Example:
        >>> default_damping(0.9), default_damping(0.5), default_damping(0.0), default_damping(1.0)
        (1.9, 1.5, 1.0, 2.0)
        >>> round(default_damping(0.95), 6)
        3.8
    """
    # With operators only; at 1, where no share of the effect can come at once, the denominator is 1.
    of_share = _LEAST_SHARE / ((1 - momentum) + (momentum == 1))
    nesterov = damping_of_nesterov(momentum)
    return (of_share + nesterov + abs(of_share - nesterov)) / 2


def default_damping_in_norm(momentum: Scalar) -> Scalar:
    """The damping where none is given, in the norm of RMSProp: that of Nesterov's momentum.

    Args:
        momentum: μ.

    Example:
        >>> default_damping_in_norm(0.5)
        1.5
    """
    return damping_of_nesterov(momentum)


def damping_of_nesterov(momentum: Scalar) -> Scalar:
    """1 + μ, the damping of Nesterov's momentum.

    Example:
        >>> damping_of_nesterov(0.5)
        1.5
    """
    return 1 + momentum


def to_damping(step_size: float, alpha: float, beta: float) -> DampingSettings:
    """The damping form that takes the steps of INDIAN with a constant step size, from rest (s = β).

    Args:
        step_size: γ > 0.
        alpha: α in (0, 1/γ].
        beta: β > 0.

    Raises:
        TypeError: An argument is not a number.
        ValueError: An argument is out of its range.

    Example:
        >>> to_damping(0.25, alpha=2.0, beta=0.5)
        DampingSettings(learning_rate=0.125, momentum=0.5, damping=2.0)
    """
    check_number("step_size", step_size, POSITIVE)
    check(beta=beta)
    check_number("alpha", alpha, Range(0.0, exclusive=True, maximum=1 / step_size))
    return DampingSettings(step_size / alpha, 1 - alpha * step_size, beta / step_size)


def from_damping(learning_rate: float, momentum: float, damping: float) -> INDIANSettings:
    """The settings with which INDIAN takes the steps of the damping form at a constant learning rate, from rest.

    Args:
        learning_rate: η > 0, that of Adam.
        momentum: μ in [0, 1).
        damping: r > 0.

    Raises:
        TypeError: An argument is not a number.
        ValueError: An argument is out of its range.

    Example:
        >>> from_damping(0.125, momentum=0.5, damping=2.0)
        INDIANSettings(learning_rate=0.25, alpha=2.0, beta=0.5, initial_speed=0.5)
    """
    check_number("learning_rate", learning_rate, POSITIVE)
    check_number("momentum", momentum, DECAY)
    check_number("damping", damping, DAMPING)
    step_size = math.sqrt(learning_rate * (1 - momentum))
    beta = damping * step_size
    return INDIANSettings(step_size, alpha=(1 - momentum) / step_size, beta=beta, initial_speed=beta)
