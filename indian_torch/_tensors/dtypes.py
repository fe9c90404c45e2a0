"""The dtypes in which a step is computed."""

import torch
from torch import Tensor

__all__ = ["as_real", "at_least_float32", "is_full_precision"]

_FULL_PRECISION = frozenset({torch.float32, torch.float64, torch.complex64, torch.complex128})


def is_full_precision(dtype: torch.dtype) -> bool:
    """Whether a step may round several times in this dtype."""
    return dtype in _FULL_PRECISION


def at_least_float32(dtype: torch.dtype) -> torch.dtype:
    """The dtype to compute in: in bfloat16, 1 − αγ would be 1."""
    return torch.promote_types(dtype, torch.float32)


def as_real(tensor: Tensor) -> Tensor:
    """The tensor; of a complex tensor, the view of its real and imaginary parts."""
    return torch.view_as_real(tensor) if tensor.is_complex() else tensor
