"""A step of one variable as operations on tensors, each variable assigned to once: what a compiler makes most of."""

from typing import Any

from keras import ops

from indian_core.dynamics import velocity_step
from indian_core.norms import accumulate, preconditioned, scale
from indian_tf import in_place
from indian_tf.coefficients import Coefficients

__all__ = ["take"]


def take(variable: Any, velocity: Any, accumulator: Any, gradient: Any, coefficients: Coefficients, dtype: str) -> None:
    """Take one step in place; what has less precision than the arithmetic is rounded once.

    Args:
        variable: θ.
        velocity: m.
        accumulator: v of the norm; None in the Euclidean.
        gradient: g.
        coefficients: Numbers or tensors of ``dtype``.
        dtype: Of the arithmetic.
    """
    step, norm = coefficients
    theta, m, g = in_place.read(variable, dtype), in_place.read(velocity, dtype), in_place.read(gradient, dtype)
    v = direction = None
    if accumulator is not None:
        v = accumulate(in_place.read(accumulator, dtype), g, norm)
        in_place.assign(accumulator, v)
        direction = preconditioned(g, scale(v, norm, ops))
    displacement, m_next = velocity_step(theta, m, g if direction is None else direction, step)
    in_place.add(variable, displacement)
    one = in_place.one_after(variable, dtype)
    if one is not None:
        # XLA would keep what two results need in a buffer of the size of the parameters: the direction of the step.
        again = g if v is None else preconditioned(g, scale(one * v, norm, ops))
        later = step._replace(velocity_velocity=one * step.velocity_velocity)
        _, m_next = velocity_step(theta, m, again, later)
    in_place.assign(velocity, m_next)
