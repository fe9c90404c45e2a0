"""Elementary functions of Python numbers and of the arrays of any framework."""

import math
from typing import Any

__all__ = ["expm1", "log", "sqrt"]


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


def _namespace(argument: Any, xp: Any) -> Any:
    # The functions of the frameworks take no Python numbers.
    return math if isinstance(argument, int | float) else xp
