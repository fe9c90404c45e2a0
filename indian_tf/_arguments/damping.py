"""The damping, which may be given as a number or, for Nesterov's, by a flag."""

from collections.abc import Callable
from typing import Any

from indian_core.damping import damping_of_nesterov
from indian_core.hyperparameters import DAMPING, check_flag, check_number

__all__ = ["checked_damping"]


def checked_damping(nesterov: Any, damping: Any, momentum: float, default: Callable[[float], float]) -> float:
    """r as a Python number: 1 + μ where ``nesterov`` is True, and the default for μ where neither is given.

    Raises:
        TypeError: ``nesterov`` is no bool, or ``damping`` no number.
        ValueError: ``damping`` is out of its range, or given beside ``nesterov=True``.

    Example:
        >>> checked_damping(True, None, 0.5, lambda momentum: 1.0)
        1.5
        >>> checked_damping(True, 2.0, 0.5, lambda momentum: 1.0)
        Traceback (most recent call last):
        ...
        ValueError: damping must be None where nesterov is True, got 2.0
    """
    check_flag("nesterov", nesterov)
    if nesterov and damping is not None:
        raise ValueError(f"damping must be None where nesterov is True, got {damping!r}")
    if nesterov:
        return float(damping_of_nesterov(momentum))
    return float(default(momentum)) if damping is None else check_number("damping", damping, DAMPING)
