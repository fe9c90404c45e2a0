"""One step of INDIAN: the phase form of the paper, the velocity form of the adapters, and the way between them.

Symbols: θ parameters, ψ phase variable, m velocity, g gradient at θ, γ step size of this step, α viscous damping,
β Newton damping, s initial speed, λ weight decay. Source: Castera, Bolte, Févotte, Pauwels, "An Inertial Newton
Algorithm for Deep Learning" (2019), equation (11) and §5.2.1.

Every function uses operators only, so it runs unchanged on Python numbers, NumPy arrays, torch tensors, JAX tracers and
Keras tensors, elementwise and in their dtype, differentiable wherever they are.
"""

from typing import Any, Final, NamedTuple, TypeAlias

__all__ = [
    "StepCoefficients",
    "displacement",
    "initial_phase",
    "initial_velocity",
    "is_absent",
    "mixed_gradient",
    "next_velocity",
    "phase_from_velocity",
    "phase_step",
    "post_form",
    "pre_form",
    "velocity_from_phase",
    "velocity_step",
    "weight_decay_step",
]

Array: TypeAlias = Any
"""An array of any framework: NumPy, torch, JAX, TensorFlow."""

Scalar: TypeAlias = Any
"""A Python number, or an array of any framework with no dimensions."""

_SMALLEST_DIVISOR: Final = 0.25
"""Below this |1 − αγ| the post form does not divide by it, which would amplify rounding errors."""


class StepCoefficients(NamedTuple):
    """One step in velocity form as a linear map of (θ, m, g). `velocity_step` applies it.

    With m′ = m + ``velocity_decay`` θ, the velocity after weight decay, and
    g′ = g + ``gradient_decay`` θ + ``gradient_velocity`` m′::

        m⁺ = velocity_velocity m′ + velocity_gradient g′
        θ⁺ = θ + theta_decay θ + theta_velocity m′ + theta_next_velocity m⁺ + theta_gradient g′

    A coefficient that is the Python number 0 marks a term that is absent.

    Attributes:
        theta_decay: −γλ.
        velocity_decay: −γλ(1/β − α).
        velocity_velocity: ρ = 1 − αγ, in post form unless ρ is small.
        velocity_gradient: −γ(1 − αβ); on a first step, plus what the initial velocity adds.
        theta_velocity: γ in pre form, 0 in post form.
        theta_next_velocity: 0 in pre form; γ/ρ in post form unless ρ is small.
        theta_gradient: −γβ in pre form, −γ(β − γ)/ρ in post form unless ρ is small; −γs on a first step in pre form.
        gradient_velocity: 0 in pre form; 0 in post form unless ρ is small.
        gradient_decay: λ of a weight decay that is part of the gradient, as in SGD; 0 where it is decoupled.
    """

    theta_decay: Scalar
    velocity_decay: Scalar
    velocity_velocity: Scalar
    velocity_gradient: Scalar
    theta_velocity: Scalar
    theta_next_velocity: Scalar
    theta_gradient: Scalar
    gradient_velocity: Scalar = 0.0
    gradient_decay: Scalar = 0.0

    def ascent(self) -> "StepCoefficients":
        """The same step for the gradient −g: it maximizes.

        Example:
            >>> pre_form(0.5, alpha=1.0, beta=0.25).ascent().theta_gradient
            0.125
        """
        # No `_replace`: up to PyTorch 2.8, torch.compile cannot trace it.
        return StepCoefficients(
            theta_decay=self.theta_decay,
            velocity_decay=self.velocity_decay,
            velocity_velocity=self.velocity_velocity,
            velocity_gradient=-self.velocity_gradient,
            theta_velocity=self.theta_velocity,
            theta_next_velocity=self.theta_next_velocity,
            theta_gradient=-self.theta_gradient,
            gradient_velocity=-self.gradient_velocity,
            gradient_decay=-self.gradient_decay,
        )

    def without_theta_decay(self) -> "StepCoefficients":
        """The same step without the decay of θ itself.

        Example:
            >>> pre_form(0.5, alpha=1.0, beta=0.25, weight_decay=0.5).without_theta_decay().theta_decay
            0.0
        """
        return StepCoefficients(
            theta_decay=0.0,
            velocity_decay=self.velocity_decay,
            velocity_velocity=self.velocity_velocity,
            velocity_gradient=self.velocity_gradient,
            theta_velocity=self.theta_velocity,
            theta_next_velocity=self.theta_next_velocity,
            theta_gradient=self.theta_gradient,
            gradient_velocity=self.gradient_velocity,
            gradient_decay=self.gradient_decay,
        )


def pre_form(
    step_size: Scalar,
    alpha: Scalar,
    beta: Scalar,
    *,
    initial_speed: Scalar | None = 1.0,
    weight_decay: Scalar = 0.0,
    first: Scalar = False,
) -> StepCoefficients:
    """Coefficients of a step that moves θ by the velocity *before* the step.

    For code that updates in place in an order of its own choosing: θ first, then m.

    Args:
        step_size: γ of this step, >= 0.
        alpha: α >= 0.
        beta: β > 0.
        initial_speed: s, the initial speed: θ̇(0) = −s g₀; None is s = β, which makes the first step like any other.
        weight_decay: λ >= 0.
        first: Whether this is the first step of these parameters, as a Python bool or as a number 0 or 1. The velocity
            handed to a first step is zero; that the true one is (β − s) g₀ is in the coefficients.

    Returns:
        Coefficients of the same kind as the arguments (Python numbers, tensors, tracers).

    Example:
        >>> pre_form(0.5, alpha=1.0, beta=0.25).theta_velocity
        0.5
    """
    rho = 1 - alpha * step_size
    start = 0.0 if initial_speed is None else first * (beta - initial_speed)
    # With no decay the terms are absent for a traced step size, too.
    decay = 0.0 if is_absent(weight_decay) else -step_size * weight_decay
    return StepCoefficients(
        theta_decay=decay,
        velocity_decay=0.0 if is_absent(decay) else decay * (1 / beta - alpha),
        velocity_velocity=rho,
        velocity_gradient=_plus(-step_size * (1 - alpha * beta), start, rho),
        theta_velocity=step_size,
        theta_next_velocity=0.0,
        theta_gradient=step_size * (start - beta),
    )


def post_form(
    step_size: Scalar,
    alpha: Scalar,
    beta: Scalar,
    *,
    initial_speed: Scalar | None = 1.0,
    weight_decay: Scalar = 0.0,
    first: Scalar = False,
    largest_step_size: float | None = None,
) -> StepCoefficients:
    """Coefficients of the same step, moving θ by the velocity *after* the step.

    For compilers: the new velocity can overwrite the old one before θ is touched, so no copy of it is needed. Where
    ρ = 1 − αγ is near 0, the new velocity no longer tells the old one. For |ρ| < 1/4 the old velocity is therefore
    mixed into the gradient, g′ = g + p m, and (m⁺, g′) determine the step. Whatever c is, these do::

        θ⁺ − θ = c m⁺ + d g′ with d = −γβ − c a,    m⁺ = (ρ − a p) m + a g′,    p = (γ − c ρ)/d,    a = −γ(1 − αβ)

    c = γ/ρ gives p = 0, the usual case. c = −γ/2 makes d = −(γ/2)((1 + ρ)β + γ), which is never 0, and all terms of the
    size of the result; so the step is exact to rounding for every γ, ρ = 0 included. A first step, whose velocity is a
    multiple of the gradient, needs neither.

    Args:
        step_size: γ of this step, >= 0.
        alpha: α >= 0.
        beta: β > 0.
        initial_speed: s, the initial speed: θ̇(0) = −s g₀; None is s = β, which makes the first step like any other.
        weight_decay: λ >= 0.
        first: Whether this is the first step of these parameters, as a Python bool or as a number 0 or 1.
        largest_step_size: A number that γ does not exceed, for a γ that is traced. With a small enough one and a number
            α, the coefficients are known to be those of the usual case.

    Returns:
        Coefficients of the same kind as the arguments. ``gradient_velocity`` is exactly 0 wherever |ρ| >= 1/4, and on a
        first step; it is the Python number 0 where ``largest_step_size`` tells.

    Example:
        >>> post_form(0.5, alpha=1.0, beta=0.25).theta_next_velocity
        1.0
        >>> post_form(0.5, alpha=2.0, beta=0.25).gradient_velocity  # ρ = 0
        -2.6666666666666665
    """
    pre = pre_form(step_size, alpha, beta, initial_speed=initial_speed, weight_decay=weight_decay, first=first)
    if initial_speed is None:
        first, initial_speed = 0.0, beta
    rho = pre.velocity_velocity
    later_gradient = -step_size * (1 - alpha * beta)
    if _is_far_from_zero(alpha, largest_step_size):
        # As a product: of a quotient XLA would make another kernel for the first array of a shape than for the rest.
        theta_next_velocity = step_size * (1 / rho)
        theta_gradient = -step_size * beta - theta_next_velocity * later_gradient
        return pre._replace(theta_velocity=0.0, theta_next_velocity=theta_next_velocity, theta_gradient=theta_gradient)
    # max(|ρ|, 1/4), and whether that is |ρ|, as the number 0 or 1, written with operators.
    excess = abs(rho) - _SMALLEST_DIVISOR
    divisor = _SMALLEST_DIVISOR + (excess + abs(excess)) / 2
    regular = abs(rho) / divisor // 1
    singular = 1 - regular
    later = singular if is_absent(singular) else singular - first * singular
    # In the product with 0 or 1, a ρ far from 0 does no harm to what it divides.
    small_rho = singular * rho
    gradient_velocity = -later * (2 + small_rho) / ((1 + small_rho) * beta + step_size)
    theta_next_velocity = step_size * (regular * rho / (divisor * divisor) - later / 2)
    theta_decay, theta_gradient = pre.theta_decay, -step_size * beta - theta_next_velocity * later_gradient
    if not is_absent(singular):
        # The initial velocity is in the coefficient of g, and all that m′ holds is the share of θ.
        start = (singular - later) * step_size
        theta_gradient = theta_gradient + start * (beta - initial_speed)
        theta_decay = theta_decay if is_absent(theta_decay) else theta_decay + start * pre.velocity_decay
    return StepCoefficients(
        theta_decay=theta_decay,
        velocity_decay=pre.velocity_decay,
        velocity_velocity=rho - later_gradient * gradient_velocity,
        velocity_gradient=pre.velocity_gradient,
        theta_velocity=0.0,
        theta_next_velocity=theta_next_velocity,
        theta_gradient=theta_gradient,
        gradient_velocity=gradient_velocity,
    )


def _is_far_from_zero(alpha: Scalar, largest_step_size: float | None) -> bool:
    """Whether ρ is known not to be small, whatever γ from 0 to the largest it is computed with."""
    if largest_step_size is None or not isinstance(alpha, (int, float)):
        return False
    return 1 - alpha * largest_step_size >= _SMALLEST_DIVISOR


def mixed_gradient(
    theta: Array | None,
    velocity: Array,
    gradient: Array,
    gradient_velocity: Scalar,
    velocity_decay: Scalar = 0.0,
    gradient_decay: Scalar = 0.0,
) -> Array:
    """g′ of a step, its first half: the gradient, with shares of θ and the velocity where the coefficients say so.

    For a compiler that has to be told how to compute it. The second half is `velocity_step` with g′ for the gradient
    and ``gradient_velocity`` 0.

    Args:
        theta: θ; None is allowed where there is no weight decay.
        velocity: m, of θ's shape.
        gradient: g, of θ's shape.
        gradient_velocity: As in `StepCoefficients`.
        velocity_decay: As in `StepCoefficients`.
        gradient_decay: As in `StepCoefficients`.

    Example:
        >>> mixed_gradient(None, 3.0, 2.0, post_form(0.5, alpha=2.0, beta=0.25).gradient_velocity)
        -6.0
    """
    gradient = _plus(gradient, gradient_decay, theta)
    return _plus(gradient, gradient_velocity, _plus(velocity, velocity_decay, theta))


def velocity_step(
    theta: Array | None, velocity: Array, gradient: Array, coefficients: StepCoefficients
) -> tuple[Array, Array]:
    """Take one step in velocity form.

    Args:
        theta: θ; None is allowed where there is no weight decay.
        velocity: m, of θ's shape; zero on a first step.
        gradient: g, of θ's shape.
        coefficients: From `pre_form` or `post_form`.

    Returns:
        The displacement θ⁺ − θ and the new velocity m⁺.

    Example:
        >>> velocity_step(1.0, 0.0, 2.0, pre_form(0.5, alpha=1.0, beta=0.25, first=True))
        (-1.0, -1.5)
    """
    c = coefficients
    gradient = mixed_gradient(theta, velocity, gradient, c.gradient_velocity, c.velocity_decay, c.gradient_decay)
    next_m = next_velocity(theta, velocity, gradient, c)
    return displacement(theta, velocity, next_m, gradient, c), next_m


def next_velocity(theta: Array | None, velocity: Array, mixed_gradient: Array, coefficients: StepCoefficients) -> Array:
    """m⁺, the velocity after a step.

    Args:
        theta: θ; None is allowed where there is no weight decay.
        velocity: m, of θ's shape; zero on a first step.
        mixed_gradient: g′, of θ's shape.
        coefficients: From `pre_form` or `post_form`.

    Example:
        >>> next_velocity(1.0, 0.0, 2.0, pre_form(0.5, alpha=1.0, beta=0.25, first=True))
        -1.5
    """
    c = coefficients
    # In this order XLA makes equal kernels of arrays of the same shape, and compiles the kernel once.
    return c.velocity_gradient * mixed_gradient + c.velocity_velocity * _plus(velocity, c.velocity_decay, theta)


def displacement(
    theta: Array | None,
    velocity: Array | None,
    next_velocity: Array | None,
    mixed_gradient: Array,
    coefficients: StepCoefficients,
) -> Array:
    """θ⁺ − θ.

    Args:
        theta: θ; None is allowed where there is no weight decay.
        velocity: m, of θ's shape; None is allowed in post form.
        next_velocity: m⁺, of θ's shape; None is allowed in pre form.
        mixed_gradient: g′, of θ's shape.
        coefficients: From `pre_form` or `post_form`.

    Example:
        >>> displacement(None, None, -1.5, 2.0, post_form(0.5, alpha=1.0, beta=0.25))
        -1.0
    """
    c = coefficients
    total = c.theta_gradient * mixed_gradient
    if not is_absent(c.theta_velocity):
        total = _plus(total, c.theta_velocity, _plus(velocity, c.velocity_decay, theta))
    total = _plus(total, c.theta_next_velocity, next_velocity)
    return _plus(total, c.theta_decay, theta)


def phase_step(
    theta: Array, phase: Array, gradient: Array, step_size: Scalar, alpha: Scalar, beta: Scalar
) -> tuple[Array, Array]:
    """Take one step in phase form, equation (11) of the paper.

    Args:
        theta: θ.
        phase: ψ, of θ's shape.
        gradient: g, of θ's shape.
        step_size: γ of this step.
        alpha: α >= 0.
        beta: β > 0.

    Returns:
        θ⁺ and ψ⁺.

    Example:
        >>> phase_step(1.0, 0.5, 2.0, 0.5, alpha=1.0, beta=0.5)
        (0.5, 0.5)
    """
    rate = (1 / beta - alpha) * theta - phase / beta
    return theta + step_size * (rate - beta * gradient), phase + step_size * rate


def weight_decay_step(theta: Array, step_size: Scalar, weight_decay: Scalar) -> Array:
    """θ after weight decay, (1 − γλ)θ; it comes before a phase step, takes no gradient and leaves ψ alone.

    To first order in γ it is the penalty (λ/2β)‖θ‖² of the loss. The velocity form has it in its coefficients.

    Example:
        >>> weight_decay_step(2.0, step_size=0.5, weight_decay=0.5)
        1.5
    """
    return (1 - step_size * weight_decay) * theta


def initial_phase(
    theta: Array, gradient: Array, alpha: Scalar, beta: Scalar, initial_speed: Scalar | None = 1.0
) -> Array:
    """ψ₀ = (1 − αβ)θ₀ − (β² − βs)g₀, which gives the initial velocity θ̇(0) = −s g₀ (paper, §5.2.1, for s = 1).

    Example:
        >>> initial_phase(2.0, 4.0, alpha=1.0, beta=0.5)
        2.0
    """
    return phase_from_velocity(theta, initial_velocity(gradient, beta, initial_speed), alpha, beta)


def initial_velocity(gradient: Array, beta: Scalar, initial_speed: Scalar | None = 1.0) -> Array:
    """m₀ = (β − s)g₀: the velocity without the gradient's own share −βg, so that their sum is −s g₀; 0 for s None.

    Example:
        >>> initial_velocity(4.0, beta=0.5)
        -2.0
    """
    return (beta - (beta if initial_speed is None else initial_speed)) * gradient


def velocity_from_phase(theta: Array, phase: Array, alpha: Scalar, beta: Scalar) -> Array:
    """m = ((1 − αβ)θ − ψ)/β.

    Example:
        >>> velocity_from_phase(2.0, 2.0, alpha=1.0, beta=0.5)
        -2.0
    """
    return ((1 - alpha * beta) * theta - phase) / beta


def phase_from_velocity(theta: Array, velocity: Array, alpha: Scalar, beta: Scalar) -> Array:
    """ψ = (1 − αβ)θ − βm.

    Example:
        >>> phase_from_velocity(2.0, -2.0, alpha=1.0, beta=0.5)
        2.0
    """
    return (1 - alpha * beta) * theta - beta * velocity


def _plus(total: Array, coefficient: Scalar, array: Array | None) -> Array:
    """Total + coefficient · array, or ``total`` itself where the term is absent."""
    return total if is_absent(coefficient) else total + coefficient * array


def is_absent(value: Scalar) -> bool:
    """Whether a coefficient marks a term that is absent: it is the Python number 0.

    Args:
        value: The coefficient; an array or a tracer may hold anything, so its term is present.

    Example:
        >>> is_absent(0.0)
        True
    """
    # A tuple: up to PyTorch 2.8, torch.compile cannot trace `int | float`; so in the whole core.
    return isinstance(value, (int, float)) and value == 0
