"""The settings of a parameter group: its hyperparameters and flags as one immutable value, checked."""

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor

from indian_core.hyperparameters import RANGES, check, check_choice, check_flag
from indian_core.norms import NORMS

__all__ = ["Scalar", "Settings", "as_number", "check_dtypes", "checked", "settings_of"]

Scalar: TypeAlias = float | Tensor
"""A number, or a tensor of one element."""


class Settings(NamedTuple):
    """The hyperparameters and flags of a parameter group at one step; see the arguments of `indian_torch.INDIAN`."""

    lr: Scalar
    alpha: Scalar
    beta: Scalar
    initial_speed: Any
    weight_decay: Scalar
    norm: str | None
    norm_decay: Scalar
    norm_epsilon: Scalar
    maximize: bool
    foreach: bool | None
    differentiable: bool
    capturable: bool
    fused: bool | None
    velocity_dtype: torch.dtype | None
    norm_dtype: torch.dtype | None


def settings_of(group: Mapping[str, Any]) -> Settings:
    """The settings that a parameter group holds now."""
    return Settings(**{name: group[name] for name in Settings._fields})


def checked(settings: Settings) -> Settings:
    """The settings, if they are valid, with Python numbers, which can be saved, or tensors.

    Raises:
        TypeError: A hyperparameter is not a number, or a flag, norm or dtype is of another type.
        ValueError: A hyperparameter is out of its range, or there is no norm of that name.
        RuntimeError: Two flags exclude each other.
    """
    values = settings._asdict()
    numbers = check(**{name: value for name, value in values.items() if name in RANGES})
    check_choice("norm", settings.norm, tuple(NORMS), optional=True)
    for name in ("maximize", "differentiable", "capturable"):
        check_flag(name, values[name])
    for name in ("foreach", "fused"):
        check_flag(name, values[name], optional=True)
    for name, other in (("foreach", "differentiable"), ("fused", "differentiable"), ("fused", "foreach")):
        if values[name] and values[other]:
            raise RuntimeError(f"{name} must be False or None where {other} is True, got True")
    check_dtypes(settings)
    return settings._replace(**{name: n for name, n in numbers.items() if not isinstance(values[name], Tensor)})


def check_dtypes(settings: Settings) -> None:
    """Check the dtypes of the state.

    Raises:
        TypeError: One is no floating dtype.
    """
    for name in ("velocity_dtype", "norm_dtype"):
        dtype = getattr(settings, name)
        # PyTorch has no arithmetic for dtypes of 8 bits.
        is_right = isinstance(dtype, torch.dtype) and dtype.is_floating_point and dtype.itemsize > 1
        if not (dtype is None or is_right):
            raise TypeError(f"{name} must be a floating torch.dtype of 16 bits or more, or None, got {dtype!r}")


def as_number(value: Any) -> Any:
    """The Python number of a hyperparameter, which may be a number of any type, an array of one element, or None."""
    if value is None or isinstance(value, float):
        return value
    return float(value.item() if hasattr(value, "item") else value)
