"""Tensors beside a parameter: whether they are like it, and copies of them."""

from typing import Any

from torch import Tensor

__all__ = ["copied", "difference"]


def difference(param: Tensor, tensor: Any, *, loading: bool = False) -> str | None:
    """Why a tensor cannot be used with a parameter, with ``{}`` for its name; None if it can.

    Args:
        param: The parameter.
        tensor: A gradient, or a tensor of the state; anything but a tensor is told, too.
        loading: Whether the tensor is going to be copied to the device and the placements of the parameter.
    """
    if not isinstance(tensor, Tensor):
        return "no {}" if tensor is None else f"{{}} of type {type(tensor).__name__}, which is no tensor"
    if tensor.shape != param.shape:
        return f"{{}} of shape {tuple(tensor.shape)}"
    if tensor.is_complex() and not param.is_complex():
        return f"{{}} of dtype {tensor.dtype} beside one of {param.dtype}"
    if loading:
        return None
    if tensor.device != param.device:
        return f"{{}} on device {tensor.device} beside one on {param.device}"
    if hasattr(param, "to_local") != hasattr(tensor, "to_local"):
        return f"{{}} of type {type(tensor).__name__} beside one of type {type(param).__name__}"
    return None


def copied(value: Any) -> Any:
    """A tensor of the same values that shares nothing; anything else as it is."""
    if not isinstance(value, Tensor):
        return value
    return value.detach().clone().requires_grad_(value.requires_grad and value.is_leaf)
