"""What a parameter group may hold."""

from typing import Any

import torch
from torch import Tensor

from indian_core.hyperparameters import RANGES, check, check_choice, check_flag
from indian_core.norms import NORMS

__all__ = ["checked"]


def checked(group: dict[str, Any]) -> dict[str, Any]:
    """The group, if its hyperparameters and flags are valid, with Python numbers, which can be saved, or tensors.

    Raises:
        TypeError: A hyperparameter is not a number, or a flag, norm or dtype not one.
        ValueError: A hyperparameter is out of its range, or there is no norm of that name.
        RuntimeError: Two flags exclude each other.
    """
    numbers = check(**{name: value for name, value in group.items() if name in RANGES})
    check_choice("norm", group["norm"], NORMS, optional=True)
    for name in ("maximize", "differentiable", "capturable"):
        check_flag(name, group[name])
    for name in ("foreach", "fused"):
        check_flag(name, group[name], optional=True)
    for name, other in (("foreach", "differentiable"), ("fused", "differentiable"), ("fused", "foreach")):
        if group[name] and group[other]:
            raise RuntimeError(f"{name} must be False or None where {other} is True, got True")
    for name in ("velocity_dtype", "norm_dtype"):
        dtype = group[name]
        # PyTorch has no arithmetic for those of 8 bits.
        right = isinstance(dtype, torch.dtype) and dtype.is_floating_point and dtype.itemsize > 1
        if not (dtype is None or right):
            raise TypeError(f"{name} must be a floating torch.dtype of 16 bits or more, or None, got {dtype!r}")
    return group | {name: number for name, number in numbers.items() if not isinstance(group[name], Tensor)}
