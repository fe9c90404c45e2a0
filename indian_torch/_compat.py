"""The private names of PyTorch that this package uses, with what takes their place in a release that lacks them.

The releases looked at are 2.4, 2.5, 2.8, 2.13 and 2.15. ``torch._foreach_*``, which PyTorch documents, may be used
anywhere. `tests/packaging/test_private_names.py` finds any other private name outside of this module.
"""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._utils import _flatten_dense_tensors, _unflatten_dense_tensors
from torch.optim.optimizer import Optimizer, _use_grad_for_differentiable

__all__ = [
    "LayoutGuards",
    "autograd_function_of",
    "base_of",
    "check_graph_capture",
    "flatten",
    "fused_adagrad",
    "fused_adam",
    "fused_adamw",
    "fused_sgd",
    "is_protected_view",
    "refuse_unfusable",
    "unflatten",
    "uses_grad_if_differentiable",
    "without_modes",
]

LayoutGuards: Any
"""Of torch.compile: whether tensors have the dtypes, devices, shapes and strides of others; None if there is none."""
try:
    # In all releases.
    from torch._C._dynamo.guards import TensorGuards as LayoutGuards
except ImportError:  # pragma: no cover
    LayoutGuards = None

uses_grad_if_differentiable = _use_grad_for_differentiable
"""Decorator of ``step``: gradients are enabled if the optimizer is differentiable. In all releases."""

flatten = _flatten_dense_tensors
"""Dense tensors as one vector. In all releases."""

try:
    # In all releases.
    from torch.utils._python_dispatch import _disable_current_modes as without_modes
except ImportError:  # pragma: no cover
    without_modes = contextlib.nullcontext  # type: ignore[assignment]

try:
    # In all releases.
    from torch.utils._foreach_utils import _get_fused_kernels_supported_devices as _devices_with_kernels
except ImportError:  # pragma: no cover

    def _devices_with_kernels() -> list[str]:
        return ["cpu", "cuda"]


def refuse_unfusable(param: Tensor) -> None:
    """Refuse a parameter for which PyTorch has no fused kernel, as its own optimizers do.

    Raises:
        RuntimeError: The parameter is on a device without kernels, or is not of a floating dtype.
    """
    devices = _devices_with_kernels()
    if param.device.type not in devices or not param.is_floating_point():
        raise RuntimeError(
            "`fused=True` requires all the params to be floating point Tensors of supported devices: "
            f"{devices} but {param.dtype} and {param.device.type}"
        )


def unflatten(vector: Tensor, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The parts of a vector, as views of the shapes of these dense tensors."""
    parts: tuple[Tensor, ...] = _unflatten_dense_tensors(vector, tensors)
    if _KEEPS_SHAPES_WITHOUT_ELEMENTS:
        return parts
    return tuple(
        part if tensor.numel() else part.view(tensor.shape) for part, tensor in zip(parts, tensors, strict=True)
    )


_EMPTY = torch.zeros((0, 3), device="cpu")
# Up to 2.8, a part without elements has the shape (0,).
_KEEPS_SHAPES_WITHOUT_ELEMENTS = _unflatten_dense_tensors(_EMPTY.view(-1), [_EMPTY])[0].shape == _EMPTY.shape


def _no_kernel(*_: Any, **__: Any) -> None:
    raise RuntimeError("this release of PyTorch does not have the fused kernel")


# In all releases; what finds out whether a kernel is right takes the error to say that it is not.
fused_sgd: Callable[..., None] = getattr(torch, "_fused_sgd_", _no_kernel)
fused_adam: Callable[..., None] = getattr(torch, "_fused_adam_", _no_kernel)
fused_adamw: Callable[..., None] = getattr(torch, "_fused_adamw_", _no_kernel)
fused_adagrad: Callable[..., None] = getattr(torch, "_fused_adagrad_", _no_kernel)

# The first since 2.11, the second before.
_HEALTH_CHECKS = ("_accelerator_graph_capture_health_check", "_cuda_graph_capture_health_check")
check_graph_capture: Callable[[Optimizer], None] = next(
    (getattr(Optimizer, name) for name in _HEALTH_CHECKS if hasattr(Optimizer, name)), lambda _: None
)
"""Refuse a step that a CUDA graph captures without ``capturable``, and warn of ``capturable`` without a graph."""


def autograd_function_of(node: Any) -> Any:
    """The subclass of `torch.autograd.Function` that made a node of the graph; None if none did, or it cannot be known.

    The attribute is there in all releases.
    """
    return getattr(node, "_forward_cls", None)


def base_of(tensor: Tensor) -> Tensor:
    """The tensor of which this one is a view, or itself. The attribute is there in all releases."""
    return tensor if tensor._base is None else tensor._base


def is_protected_view(tensor: Tensor) -> bool:
    """Whether autograd allows no in-place operation on a view: one of several outputs, or made without a graph.

    The names are there in all releases. False while torch.compile traces, which cannot ask.
    """
    if torch.compiler.is_compiling() or not tensor._is_view():
        return False
    metadata = torch._C._autograd
    return bool(metadata._get_creation_meta(tensor) != metadata.CreationMeta.DEFAULT)
