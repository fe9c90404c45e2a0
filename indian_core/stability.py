"""Which step sizes are stable on a quadratic loss, by its curvature: the linear theory of the method.

On J(θ) = ½λθ² with a constant step, INDIAN is a linear map of (θ, m) with trace 2 − γs and determinant 1 − γs + γ²λ,
where s = α + βλ is the whole damping at curvature λ. It is stable, that is, every start converges to 0, exactly if::

    λ > 0,    γ > 0,    γλ < s    and    4 − 2γs + γ²λ > 0

The curvatures of a loss of many parameters are the eigenvalues of its Hessian, and the step must be stable for all.
"""

import math
from typing import Any, NamedTuple, TypeAlias

from indian_core.hyperparameters import NON_NEGATIVE, POSITIVE, check, check_number

__all__ = ["CurvatureRange", "is_stable", "largest_stable_step_size", "spectral_radius", "stable_curvatures"]

Array: TypeAlias = Any
"""A Python number, or an array of any framework."""


def spectral_radius(step_size: Array, alpha: Array, beta: Array, curvature: Array) -> Array:
    """The largest absolute eigenvalue of a step: the factor by which the distance to 0 changes in the long run.

    Written with operators, elementwise, for numbers or arrays of any framework.

    Args:
        step_size: γ >= 0.
        alpha: α >= 0.
        beta: β > 0.
        curvature: λ, of any sign.

    Example:
        >>> round(spectral_radius(0.1, alpha=0.25, beta=0.8, curvature=10.0), 6)
        0.85237
    """
    damping = alpha + beta * curvature
    half_trace = 1 - step_size * damping / 2
    # (trace/2)² − determinant, without the difference of numbers near 1.
    discriminant = step_size * step_size * (damping * damping / 4 - curvature)
    real = ((abs(discriminant) + discriminant) / 2) ** 0.5
    imaginary_squared = (abs(discriminant) - discriminant) / 2
    return ((abs(half_trace) + real) ** 2 + imaginary_squared) ** 0.5


def is_stable(step_size: Array, alpha: Array, beta: Array, curvature: Array) -> Array:
    """Whether the spectral radius is below 1, by the four inequalities above.

    Elementwise, for numbers or arrays whose comparisons can be combined with ``&``.

    Args:
        step_size: γ >= 0.
        alpha: α >= 0.
        beta: β > 0.
        curvature: λ, of any sign.

    Example:
        >>> is_stable(0.1, alpha=0.25, beta=0.8, curvature=25.0)
        True
        >>> is_stable(0.1, alpha=0.25, beta=0.8, curvature=np.array([0.0, 20.0, 30.0]))
        array([False,  True, False])
    """
    no_growing_oscillation = (step_size - beta) * curvature < alpha
    no_overshooting = 4 - 2 * alpha * step_size > step_size * (2 * beta - step_size) * curvature
    return (curvature > 0) & (step_size > 0) & no_growing_oscillation & no_overshooting


def largest_stable_step_size(curvature: float, alpha: float, beta: float) -> float:
    """The supremum of the stable γ at a curvature: stable are exactly the γ > 0 below it.

    With s = α + βλ it is the smaller root of 4 − 2γs + γ²λ, (s − √(s² − 4λ))/λ, if that is real, and s/λ else. A
    nearly flat loss allows 2/α, a steep one 2/(βλ), as gradient descent with step γβ does.

    Args:
        curvature: λ > 0.
        alpha: α >= 0.
        beta: β > 0.

    Raises:
        TypeError: An argument is not a number.
        ValueError: An argument is out of its range.

    Example:
        >>> round(largest_stable_step_size(100.0, alpha=0.25, beta=0.8), 6)
        0.025322
        >>> largest_stable_step_size(1.0, alpha=0.25, beta=0.75)
        1.0
    """
    curvature = check_number("curvature", curvature, POSITIVE)
    check(alpha=alpha, beta=beta)
    damping = alpha + beta * curvature
    # Without squares, which overflow or vanish before their roots do.
    critical = 2 * math.sqrt(curvature)
    if damping < critical:
        return damping / curvature
    return 4 / (damping + math.sqrt(damping - critical) * math.sqrt(damping + critical))


class CurvatureRange(NamedTuple):
    """An open interval of curvatures, empty if its ends are equal.

    Attributes:
        low: λ must be larger.
        high: λ must be smaller; may be infinite.
    """

    low: float
    high: float


def stable_curvatures(step_size: float, alpha: float, beta: float) -> CurvatureRange:
    """The curvatures at which a step size is stable; ``high`` is the largest.

    - For γ > β, λ must be below α/(γ − β): a Newton damping of less than γ feeds oscillations. For α = 0 and γ >= β
      there is none.
    - For γ < 2β, λ must be below (4 − 2αγ)/(γ(2β − γ)).
    - For αγ >= 2 and γ <= 2β there is none. For αγ >= 2 and γ > 2β, λ must be above (2αγ − 4)/(γ(γ − 2β)): a flat loss
      is unstable then, and a steeper one is not.

    Args:
        step_size: γ >= 0.
        alpha: α >= 0.
        beta: β > 0.

    Raises:
        TypeError: An argument is not a number.
        ValueError: An argument is out of its range.

    Example:
        >>> stable_curvatures(0.5, alpha=1.0, beta=0.25)
        CurvatureRange(low=0.0, high=4.0)
    """
    step_size = check_number("step_size", step_size, NON_NEGATIVE)
    check(alpha=alpha, beta=beta)
    if step_size == 0:
        return CurvatureRange(0.0, 0.0)
    # λ < α/(γ − β) and λ γ(2β − γ) < 4 − 2αγ.
    low, high = 0.0, math.inf
    if step_size > beta:
        high = alpha / (step_size - beta)
    elif step_size == beta and alpha == 0:
        high = 0.0
    room, slope = 4 - 2 * alpha * step_size, step_size * (2 * beta - step_size)
    if slope > 0:
        high = min(high, room / slope)
    elif slope < 0:
        low = max(low, room / slope)
    elif room <= 0:
        high = low
    return CurvatureRange(low, high) if low < high else CurvatureRange(0.0, 0.0)
