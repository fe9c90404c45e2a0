"""The energies that fall along the differential equation, at what rate, and up to which step size they fall with steps.

E_κ = κ J(θ) + ½‖m‖² never grows along a solution of the differential equation for κ between (1 − √(αβ))² and
(1 + √(αβ))². The two ends are E_min and E_max, and E is their sum. E falls strictly wherever the system does not rest:
the proof that INDIAN converges is built on it. Source: Castera, Bolte, Févotte, Pauwels, "An Inertial Newton Algorithm
for Deep Learning" (2019), equation (16), Lemmas 9 and 10. Its ‖(α − 1/β)θ + ψ/β‖ is ‖m‖;
`indian_core.dynamics.velocity_from_phase` gives m.

Lemma 9 has (θ̇ − ψ̇)/β in D J(θ), where the system has (ψ̇ − θ̇)/β = g. With the right sign its two rates change places,
and that is what stands here. Their sum stays the same.

Every function uses operators only, as in `indian_core.dynamics`.
"""

import math
from typing import Any, NamedTuple, TypeAlias

from indian_core.flow import velocity_flow
from indian_core.hyperparameters import POSITIVE, check, check_number

__all__ = [
    "Energies",
    "dissipation",
    "energies",
    "energy_gradient",
    "largest_monotone_step_size",
    "quasi_gradient_constant",
]

Array: TypeAlias = Any
"""An array of any framework: NumPy, torch, JAX, TensorFlow."""

Scalar: TypeAlias = Any
"""A Python number, or an array of any framework with no dimensions."""


class Energies(NamedTuple):
    """The three energies of a point, or the rates at which they fall.

    Attributes:
        minimum: Of E_min, which gives the loss the smallest weight, (1 − √(αβ))².
        maximum: Of E_max, which gives it the largest, (1 + √(αβ))².
        total: Of E = E_min + E_max.
    """

    minimum: Any
    maximum: Any
    total: Any


def energies(loss: Scalar, velocity_squared: Scalar, alpha: Scalar, beta: Scalar) -> Energies:
    """E_min, E_max and E.

    Args:
        loss: J(θ).
        velocity_squared: ‖m‖², the sum of m² over all parameters.
        alpha: α >= 0.
        beta: β > 0.

    Example:
        >>> energies(1.0, 2.0, alpha=1.0, beta=0.25)
        Energies(minimum=1.25, maximum=3.25, total=4.5)
    """
    root, kinetic = (alpha * beta) ** 0.5, velocity_squared / 2
    minimum = (1 - root) * (1 - root) * loss + kinetic
    maximum = (1 + root) * (1 + root) * loss + kinetic
    return Energies(minimum, maximum, 2 * (1 + alpha * beta) * loss + velocity_squared)


def dissipation(velocity: Array, gradient: Array, alpha: Scalar, beta: Scalar) -> Energies:
    """At which rates −dE_min/dt, −dE_max/dt and −dE/dt the energies fall along the differential equation.

    Args:
        velocity: m.
        gradient: g, of m's shape.
        alpha: α >= 0.
        beta: β > 0.

    Returns:
        (√α θ̇ + √β g)², (√α θ̇ − √β g)² and their sum 2αθ̇² + 2βg², elementwise, where θ̇ = m − βg. The rate of an
        energy is the sum of what is returned over all parameters.

    Example:
        >>> dissipation(2.5, 2.0, alpha=1.0, beta=0.25)
        Energies(minimum=9.0, maximum=1.0, total=10.0)
    """
    speed, _ = velocity_flow(velocity, gradient, alpha, beta)
    viscous, newton = alpha**0.5 * speed, beta**0.5 * gradient
    minimum, maximum = viscous + newton, viscous - newton
    return Energies(minimum * minimum, maximum * maximum, 2 * alpha * speed * speed + 2 * beta * gradient * gradient)


def energy_gradient(velocity: Array, gradient: Array, alpha: Scalar, beta: Scalar) -> tuple[Array, Array]:
    """∂E/∂θ and ∂E/∂ψ, equation (31) of the paper.

    Args:
        velocity: m.
        gradient: g, of m's shape.
        alpha: α >= 0.
        beta: β > 0.

    Example:
        >>> energy_gradient(1.0, 2.0, alpha=1.0, beta=0.5)
        (8.0, -4.0)
    """
    return 2 * (1 + alpha * beta) * gradient + 2 * (1 / beta - alpha) * velocity, -2 / beta * velocity


def quasi_gradient_constant(alpha: float, beta: float) -> float:
    """The largest c₁ with dE/dt <= −c₁‖∂E‖² wherever the system is: the constant of Theorem 12 for Theorem 14.

    dE/dt and ‖∂E‖² are quadratic forms in m and g, and c₁ is their smallest ratio. With p = αβ it solves
    x² − (2 + p)x + p = 0 for x = 2(1 + p)c₁/β. The paper shows that there is such a constant.

    Args:
        alpha: α >= 0; for α = 0 the constant is 0, and the theorem says nothing.
        beta: β > 0.

    Raises:
        TypeError: An argument is not a number.
        ValueError: An argument is out of its range.

    Example:
        >>> round(quasi_gradient_constant(alpha=0.5, beta=0.1), 9)
        0.001175598
    """
    check(alpha=alpha, beta=beta)
    p = alpha * beta
    return p * beta / ((1 + p) * (2 + p + math.sqrt(4 + p * p)))


def largest_monotone_step_size(curvature: float, alpha: float, beta: float) -> float:
    """The largest γ with which no step of full-batch INDIAN raises E, whatever θ and m are.

    For a loss whose gradient is Lipschitz with constant L, J(θ⁺) <= J(θ) + γ⟨g, θ̇⟩ + (L/2)γ²‖θ̇‖². What m contributes
    is exact, so a step changes E by at most::

        −2γ(α‖θ̇‖² + β‖g‖²) + γ²((1 + αβ)L‖θ̇‖² + ‖αθ̇ + g‖²)

    which is a quadratic form in θ̇ and g. It is nowhere positive exactly up to the γ that is returned, the smaller root
    of 4αβ − 2γp + γ²(1 + αβ)L with p = α + βα² + β(1 + αβ)L. For a quadratic of curvature L the bound is attained. The
    paper has no such statement; it is this package's own.

    Args:
        curvature: L > 0.
        alpha: α >= 0; for α = 0 there is no such γ but 0.
        beta: β > 0.

    Raises:
        TypeError: An argument is not a number.
        ValueError: An argument is out of its range.

    Example:
        >>> round(largest_monotone_step_size(10.0, alpha=0.5, beta=0.1), 6)
        0.091243
    """
    weighted = check_number("curvature", curvature, POSITIVE)
    check(alpha=alpha, beta=beta)
    weighted *= 1 + alpha * beta
    p = alpha + beta * alpha**2 + beta * weighted
    # p² − 4αβ(1 + αβ)L, as a sum of squares and products that are not negative.
    squared = (alpha - beta * weighted) ** 2 + beta * alpha**2 * (2 * alpha + beta * alpha**2 + 2 * beta * weighted)
    return 4 * alpha * beta / (p + math.sqrt(squared))
