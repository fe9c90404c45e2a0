"""The settings of a parameter group: its hyperparameters and flags as one immutable value. Each family has its own."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from indian_core.hyperparameters import check_flag

__all__ = ["Scalar", "as_number", "as_scalar", "check_dtypes", "check_flags", "tensors_in", "with_numbers"]

Scalar: TypeAlias = float | Tensor
"""A number, or a tensor of one element."""

_FLAGS = ("nesterov", "amsgrad", "maximize", "differentiable", "capturable")
_OPTIONAL_FLAGS = ("foreach", "fused")


def check_flags(values: Mapping[str, Any]) -> None:
    """Check the flags among the settings.

    Raises:
        TypeError: A flag is no bool.
        RuntimeError: Two flags exclude each other.
    """
    for name in _FLAGS:
        if name in values:
            check_flag(name, values[name])
    for name in _OPTIONAL_FLAGS:
        check_flag(name, values[name], optional=True)
    for name, other in (("foreach", "differentiable"), ("fused", "differentiable"), ("fused", "foreach")):
        if values[name] and values[other]:
            raise RuntimeError(f"{name} must be False or None where {other} is True, got True")


def check_dtypes(**dtypes: Any) -> None:
    """Check dtypes of the state, given by name.

    Raises:
        TypeError: One is no floating dtype.
    """
    for name, dtype in dtypes.items():
        # PyTorch has no arithmetic for dtypes of 8 bits.
        is_right = isinstance(dtype, torch.dtype) and dtype.is_floating_point and dtype.itemsize > 1
        if not (dtype is None or is_right):
            raise TypeError(f"{name} must be a floating torch.dtype of 16 bits or more, or None, got {dtype!r}")


def as_number(value: Any) -> Any:
    """The Python number of a hyperparameter, which may be a number of any type, an array of one element, or None."""
    if value is None or isinstance(value, float):
        return value
    return float(value.item() if hasattr(value, "item") else value)


def as_scalar(value: Any, dtype: torch.dtype) -> Any:
    """A hyperparameter that the host does not read: a tensor with no dimensions of this dtype, or a number or None."""
    return value.reshape(()).to(dtype) if isinstance(value, Tensor) else as_number(value)


def tensors_in(names: Sequence[str], settings: Any) -> list[tuple[str, Tensor]]:
    """The hyperparameters that are tensors, by name; those of a pair by name and index.

    Args:
        names: Begin with those of the settings. Up to PyTorch 2.8, no compiler traces ``settings._fields``.
        settings: A tuple.
    """
    found = []
    for name, value in zip(names[: len(settings)], settings, strict=True):
        if isinstance(value, tuple):
            found += [(f"{name}[{i}]", part) for i, part in enumerate(value) if isinstance(part, Tensor)]
        elif isinstance(value, Tensor):
            found.append((name, value))
    return found


def with_numbers(settings: Any) -> Any:
    """The settings with a number in place of each tensor, to check the others: the values of tensors are not known."""

    def number(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(number, value))
        return 0.5 if isinstance(value, Tensor) else value

    return settings._replace(**{name: number(value) for name, value in settings._asdict().items()})
