"""The damping, which may be given as a number or by the flag ``nesterov``, and the learning rate beside it."""

from collections.abc import Callable
from typing import Any

from indian_core.damping import damping_of_nesterov
from indian_core.hyperparameters import DAMPING, MOMENTUM, NON_NEGATIVE, check_flag
from indian_jax._arguments.scalars import Scalar, scalar

__all__ = ["check_learning_rate", "damping_of_flag", "damping_or_default"]


def damping_or_default(damping: Any, momentum: Scalar, default: Callable[[Scalar], Scalar]) -> Scalar:
    """r, checked; for None, the default for μ."""
    return default(momentum) if damping is None else scalar("damping", damping, DAMPING)


def damping_of_flag(nesterov: bool | None, damping: Any, momentum: Any) -> Any:
    """r as ``nesterov`` says: 1 + μ for True, 1 for False; for None, ``damping`` itself.

    Raises:
        TypeError: ``nesterov`` is neither a bool nor None.
        ValueError: Both are given.
    """
    check_flag("nesterov", nesterov, optional=True)
    if nesterov is None:
        return damping
    if damping is not None:
        raise ValueError(f"damping must be None where nesterov is {nesterov}, got {damping!r}")
    if momentum is None:
        return None
    return damping_of_nesterov(scalar("momentum", momentum, MOMENTUM)) if nesterov else 1.0


def check_learning_rate(learning_rate: Any) -> None:
    """Check a learning rate that is not a schedule.

    Raises:
        TypeError: It is no number.
        ValueError: It is out of its range.
    """
    if not callable(learning_rate):
        scalar("learning_rate", learning_rate, NON_NEGATIVE)
