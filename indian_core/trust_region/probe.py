"""A vector that knows nothing of the problem, the same in every framework."""

from typing import Any, TypeAlias

__all__ = ["probe"]

Array: TypeAlias = Any
"""An array of any framework."""

_PROBE_MODULUS = 46337
"""The largest prime whose square fits into 32 bits with a sign."""


def probe(index: Array) -> Array:
    """Whole numbers without a pattern, the same in every framework: the squares of ``index`` modulo a prime, centred.

    A sequence of squares modulo a prime has the same share of every frequency, so that no regular vector is orthogonal
    to it. Divided by √A it is a start without a preferred direction in the ellipsoid.

    Args:
        index: 0, 1, 2, …, one for each parameter, as integers of 32 bits or more.

    Example:
        >>> probe(np.arange(4))
        array([-23167, -23164, -23159, -23152])
    """
    shifted = (index + 1) % _PROBE_MODULUS
    return (shifted * shifted) % _PROBE_MODULUS - _PROBE_MODULUS // 2
