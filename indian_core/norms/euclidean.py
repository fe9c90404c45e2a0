"""The Euclidean norm, which has no accumulator; its name is None."""

from indian_core.norms.coefficients import NormCoefficients

__all__ = ["euclidean"]


def euclidean() -> NormCoefficients:
    """The Euclidean norm, A = 1; it has no accumulator.

    Example:
        >>> from indian_core import norms
        >>> norms.scale(None, euclidean())
        1.0
    """
    return NormCoefficients(accumulator=0.0, square=0.0, root=0.0, epsilon=1.0)
