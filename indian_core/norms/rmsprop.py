"""The norm of RMSProp."""

from typing import Any, Final, TypeAlias

import numpy

from indian_core.norms.coefficients import NormCoefficients
from indian_core.norms.definition import Norm
from indian_core.norms.elementary import bias_correction

__all__ = ["RMSPROP", "rmsprop"]

Scalar: TypeAlias = Any
"""A Python number, or an array of any framework with no dimensions."""


def rmsprop(count: Scalar, decay: Scalar, epsilon: Scalar, xp: Any = numpy) -> NormCoefficients:
    """The norm of RMSProp with its bias taken out, as in Adam: A = √(v/(1 − σᵏ)) + ε.

    Args:
        count: k >= 1, the number of gradients that v will have seen, this step's included.
        decay: σ in [0, 1).
        epsilon: ε >= 0.
        xp: Namespace of ``count`` or ``decay``, if they are arrays.

    Example:
        >>> rmsprop(1, decay=0.75, epsilon=0.0).root
        2.0
    """
    if isinstance(decay, (int, float)) and decay == 0:
        return NormCoefficients(accumulator=0.0, square=1.0, root=1.0, epsilon=epsilon)
    root = bias_correction(decay, count, xp) ** -0.5
    return NormCoefficients(accumulator=decay, square=1 - decay, root=root, epsilon=epsilon)


RMSPROP: Final = Norm(rmsprop, depends_on_count=True, depends_on_decay=True, learning_rate=0.003, shrink_factor=1.75)
