"""Checks of the arguments that INDIAN shares with Keras' own optimizers.

Keras itself accepts many wrong ones. The ranges are those that Keras documents.
"""

import difflib
import numbers
from collections.abc import Collection, Iterable
from typing import Any, Final

import keras

from indian_core.hyperparameters import MOMENTUM, POSITIVE, RANGES, check_flag, check_number

__all__ = ["check_names", "checked", "checked_floating_dtype", "checked_learning_rate"]

_NUMBERS: Final = {
    "weight_decay": RANGES["weight_decay"],
    "clipnorm": POSITIVE,
    "clipvalue": POSITIVE,
    "global_clipnorm": POSITIVE,
    "loss_scale_factor": POSITIVE,
}
_FLOATING: Final = frozenset({"float16", "bfloat16", "float32", "float64"})
_SMALLEST: Final = {"ema_overwrite_frequency": 1, "gradient_accumulation_steps": 2}
_FOREIGN: Final = frozenset(
    {"amsgrad", "beta_1", "beta_2", "betas", "centered", "eps", "epsilon", "momentum", "nesterov", "rho"}
)
"""Arguments of Adam, RMSprop and SGD, in Keras or in PyTorch."""


def check_names(of: str, names: Iterable[str], known: Collection[str]) -> None:
    """Raise an error if one of the names is not that of an argument, and say which one may be meant.

    Args:
        of: Name of the class.
        names: To be checked.
        known: The names of the arguments of the class.

    Raises:
        TypeError: A name is not known.

    Example:
        >>> check_names("INNAprop", ["weight_deacy"], ["learning_rate", "weight_decay"])
        Traceback (most recent call last):
        ...
        TypeError: INNAprop has no weight_deacy (did you mean weight_decay?)
    """
    unknown = [name for name in names if name not in known]
    if not unknown:
        return
    message = f"{of} has no {', '.join(unknown)}"
    near = [match for name in unknown if name not in _FOREIGN for match in difflib.get_close_matches(name, known, 1)]
    if near:
        message += f" (did you mean {', '.join(near)}?)"
    if not _FOREIGN.isdisjoint(unknown) and "norm_decay" in known:
        message += f": other optimizers have; {of} has norm_decay and norm_epsilon"
        message += ", and alpha and beta in place of a momentum" if "alpha" in known else ""
    raise TypeError(message)


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
