"""The norm of AdaGrad."""

from typing import Any, Final, TypeAlias

from indian_core.norms.coefficients import NormCoefficients
from indian_core.norms.definition import Norm

__all__ = ["ADAGRAD", "adagrad"]

Scalar: TypeAlias = Any
"""A Python number, or an array of any framework with no dimensions."""


def adagrad(epsilon: Scalar) -> NormCoefficients:
    """The norm of AdaGrad: A = √v + ε with v the sum of all g².

    Example:
        >>> from indian_core import norms
        >>> norms.scale(norms.accumulate(0.0, 3.0, adagrad(0.5)), adagrad(0.5))
        3.5
    """
    return NormCoefficients(accumulator=1.0, square=1.0, root=1.0, epsilon=epsilon)


def _coefficients(count: Scalar, decay: Scalar, epsilon: Scalar, xp: Any) -> NormCoefficients:
    del count, decay, xp
    return adagrad(epsilon)


ADAGRAD: Final = Norm(
    _coefficients, depends_on_count=False, depends_on_decay=False, learning_rate=0.01, shrink_factor=1.5
)
