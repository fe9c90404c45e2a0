"""Checks of the arguments that INDIAN shares with Keras' own optimizers.

Keras itself accepts many wrong ones. The ranges are those that Keras documents.
"""

import numbers
from typing import Any, Final

import keras

from indian_core.hyperparameters import MOMENTUM, POSITIVE, RANGES, check_flag, check_number

__all__ = ["checked", "checked_floating_dtype", "checked_learning_rate"]

_NUMBERS: Final = {
    "weight_decay": RANGES["weight_decay"],
    "clipnorm": POSITIVE,
    "clipvalue": POSITIVE,
    "global_clipnorm": POSITIVE,
    "loss_scale_factor": POSITIVE,
}
_FLOATING: Final = frozenset({"float16", "bfloat16", "float32", "float64"})
_SMALLEST: Final = {"ema_overwrite_frequency": 1, "gradient_accumulation_steps": 2}


def checked(*, use_ema: Any, ema_momentum: Any, **optional: Any) -> dict[str, Any]:
    """The arguments as Python numbers and bools, if every one lies in its range.

    Args:
        use_ema: As in Keras.
        ema_momentum: As in Keras; in its range even if not used.
        **optional: Further ones, each of which may be None: numbers and counts.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: An argument is out of its range.

    Example:
        >>> checked(use_ema=False, ema_momentum=0.99, gradient_accumulation_steps=1)
        Traceback (most recent call last):
        ...
        ValueError: gradient_accumulation_steps must be an integer >= 2, got 1
    """
    check_flag("use_ema", use_ema)
    momentum = check_number("ema_momentum", ema_momentum, MOMENTUM)
    values = {name: None if value is None else _value(name, value) for name, value in optional.items()}
    return {"use_ema": use_ema, "ema_momentum": momentum, **values}


def checked_learning_rate(value: Any) -> Any:
    """A learning rate as a Python number; a schedule or a function unchanged.

    Raises:
        TypeError: ``value`` is none of these.
        ValueError: ``value`` is a number out of its range.

    Example:
        >>> checked_learning_rate(1)
        1.0
    """
    # A class of schedules is callable, too, but no schedule.
    if callable(value) and not isinstance(value, type):
        return value
    return check_number("learning_rate", value, RANGES["learning_rate"])


def checked_floating_dtype(name: str, value: Any) -> str | None:
    """A floating dtype of 16 bits or more by its name; None unchanged.

    Raises:
        TypeError: ``value``, the argument ``name``, is anything else.

    Example:
        >>> checked_floating_dtype("norm_dtype", "bfloat16")
        'bfloat16'
    """
    if value is None:
        return None
    try:
        dtype = keras.backend.standardize_dtype(value)
    except (TypeError, ValueError):
        dtype = None
    if dtype not in _FLOATING:
        raise TypeError(f"{name} must be a floating dtype of 16 bits or more, or None, got {value!r}")
    return str(dtype)


def _value(name: str, value: Any) -> float:
    if name in _NUMBERS:
        return check_number(name, value, _NUMBERS[name])
    allowed = f"an integer >= {_SMALLEST[name]}"
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be {allowed}, got {value!r} of type {type(value).__name__}")
    if value < _SMALLEST[name]:
        raise ValueError(f"{name} must be {allowed}, got {value!r}")
    return int(value)
