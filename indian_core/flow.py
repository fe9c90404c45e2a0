"""The differential equation that the method discretizes: the rates θ̇ and ψ̇, or θ̇ and ṁ, at a point.

One step of INDIAN is one step of Euler's explicit method for it. Where the loss is not differentiable, g is any element
of D J(θ), and the equation is a differential inclusion. Source: Castera, Bolte, Févotte, Pauwels, "An Inertial Newton
Algorithm for Deep Learning" (2019), equations (6) and (10).

Every function uses operators only, elementwise, as in `indian_core.dynamics`.
"""

from typing import Any, TypeAlias

from indian_core.dynamics import velocity_from_phase

__all__ = ["phase_flow", "velocity_flow"]

Array: TypeAlias = Any
"""An array of any framework: NumPy, torch, JAX, TensorFlow."""

Scalar: TypeAlias = Any
"""A Python number, or an array of any framework with no dimensions."""


def phase_flow(theta: Array, phase: Array, gradient: Array, alpha: Scalar, beta: Scalar) -> tuple[Array, Array]:
    """θ̇ and ψ̇ in the paper's variables, equation (10); ψ̇ is m, the velocity.

    Args:
        theta: θ.
        phase: ψ, of θ's shape.
        gradient: g, of θ's shape.
        alpha: α >= 0.
        beta: β > 0.

    Example:
        >>> phase_flow(1.0, 0.5, 2.0, alpha=1.0, beta=0.5)
        (-1.0, 0.0)
    """
    velocity = velocity_from_phase(theta, phase, alpha, beta)
    return velocity - beta * gradient, velocity


def velocity_flow(velocity: Array, gradient: Array, alpha: Scalar, beta: Scalar) -> tuple[Array, Array]:
    """θ̇ and ṁ. With g constant along the way, θ̈ = ṁ = −αθ̇ − g: a ball with friction on a slope.

    Args:
        velocity: m.
        gradient: g, of m's shape.
        alpha: α >= 0.
        beta: β > 0.

    Example:
        >>> velocity_flow(0.0, 2.0, alpha=1.0, beta=0.5)
        (-1.0, -1.0)
    """
    speed = velocity - beta * gradient
    return speed, -alpha * speed - gradient
