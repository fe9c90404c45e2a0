"""Elementary functions of Python numbers and of the arrays of any framework."""

import math
from typing import Any, Final

__all__ = ["bias_correction", "expm1", "log", "sqrt"]


_SMALLEST_DECAY: Final = 1e-37
"""A number that float32 and bfloat16 have, and that changes no decay but 0."""


def sqrt(argument: Any, xp: Any) -> Any:
    """√x, by the namespace ``xp`` of the arrays, or for a Python number by `math`.

    Example:
        >>> sqrt(4.0, np)
        2.0
    """
    return _namespace(argument, xp).sqrt(argument)


def log(argument: Any, xp: Any) -> Any:
    """The natural logarithm, likewise.

    Example:
        >>> log(1.0, np)
        0.0
    """
    return _namespace(argument, xp).log(argument)


def expm1(argument: Any, xp: Any) -> Any:
    """exp(x) − 1, likewise.

    Example:
        >>> expm1(0.0, np)
        0.0
    """
    return _namespace(argument, xp).expm1(argument)


def bias_correction(decay: Any, count: Any, xp: Any) -> Any:
    """1 − dᵏ, the sum of the weights in a running mean of k numbers that started at 0.

    Args:
        decay: d in [0, 1), the weight of the mean so far.
        count: k >= 0.
        xp: Namespace of the arrays.

    Example:
        >>> bias_correction(0.5, 2, np)
        0.75
    """
    if isinstance(decay, (int, float)) and decay == 0:
        return 1 - 0.0**count
    if not isinstance(decay, (int, float)):
        # A traced decay may be 0, and 0 log 0 is NaN.
        decay = decay + _SMALLEST_DECAY
    # In float32, the difference itself would be off by 6e-5 of itself at the first step of d = 0.999.
    return -expm1(count * log(decay, xp), xp)


def _namespace(argument: Any, xp: Any) -> Any:
    # The functions of the frameworks take no Python numbers.
    return math if isinstance(argument, (int, float)) else xp
