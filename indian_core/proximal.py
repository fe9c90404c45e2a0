"""A move and a decay at once, as the proximal step that some libraries have as one operation."""

from typing import Any, Final, NamedTuple, TypeAlias

import numpy

__all__ = ["ProximalStep", "proximal_step"]

Scalar: TypeAlias = Any
"""A Python number, or an array of any framework."""

_SMALLEST_DIVISOR: Final = 2.0**-60
"""In place of 0: so small that what it multiplies is lost in rounding, and far from an overflow in float32."""


class ProximalStep(NamedTuple):
    """A proximal gradient step with a quadratic penalty::

        x⁺ = (x − rate d) / (1 + rate penalty)

    Attributes:
        rate: Step size of the descent along d; negative where x moves along d.
        penalty: Of the square of x; the Python number 0 marks that there is none.
    """

    rate: Scalar
    penalty: Scalar


def proximal_step(step_size: Scalar, decay: Scalar, xp: Any = numpy) -> ProximalStep:
    """The proximal step that is x⁺ = (1 − step_size · decay) x + step_size · d.

    With θ, m′, γ and λ in the places of x, d, ``step_size`` and ``decay``, it is weight decay together with the move by
    the velocity; with v, g², 1 − σ and 1, the running mean of RMSProp.

    Args:
        step_size: A number >= 0.
        decay: A Python number >= 0.
        xp: Namespace of ``step_size``, if that is an array: `numpy`, `torch`, `jax.numpy`, `keras.ops`.

    Example:
        >>> proximal_step(0.5, decay=1.0)
        ProximalStep(rate=-1.0, penalty=-1.0)
    """
    if decay == 0:
        return ProximalStep(-step_size, 0.0)
    kept = 1 - step_size * decay
    if isinstance(kept, (int, float)):
        return ProximalStep(-step_size / (kept or _SMALLEST_DIVISOR), -decay)
    return ProximalStep(-step_size / xp.where(kept == 0, _SMALLEST_DIVISOR, kept), -decay)
