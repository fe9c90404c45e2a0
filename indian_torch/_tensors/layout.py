"""How tensors lie in memory. Private kernels look at no strides, so their callers must."""

from collections.abc import Iterable, Sequence
from itertools import chain
from operator import attrgetter
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import Parameter

__all__ = ["Layout", "are_contiguous", "are_plain", "have_one_dtype", "in_memory_order", "layout_of"]

_DTYPE = attrgetter("dtype")
_PLAIN_TYPES = frozenset({Tensor, Parameter})


class Layout(NamedTuple):
    """How the tensors of a step lie in memory.

    Attributes:
        is_plain: Whether none is of a subclass of tensors.
        has_one_dtype: Whether parameters and gradients are of one dtype.
        is_contiguous: Whether each tensor is contiguous.
    """

    is_plain: bool
    has_one_dtype: bool
    is_contiguous: bool


def layout_of(params: Sequence[Tensor], grads: Sequence[Tensor], *buffers: Sequence[Tensor]) -> Layout:
    """The layout of parameters, gradients and tensors of the state."""
    tensors = list(chain(params, grads, *buffers))
    return Layout(are_plain(tensors), have_one_dtype(chain(params, grads)), are_contiguous(tensors))


def are_contiguous(tensors: Iterable[Tensor]) -> bool:
    """Whether each tensor is contiguous."""
    return all(map(Tensor.is_contiguous, tensors))


def are_plain(tensors: Iterable[Tensor]) -> bool:
    """Whether no tensor is of a subclass, whose memory may be elsewhere."""
    if torch.compiler.is_compiling():
        # Up to PyTorch 2.8 the compiler cannot trace the faster way.
        return all([type(tensor) is Tensor or type(tensor) is Parameter for tensor in tensors])  # noqa: C419
    return _PLAIN_TYPES.issuperset(map(type, tensors))


def have_one_dtype(tensors: Iterable[Tensor]) -> bool:
    """Whether all tensors are of one dtype."""
    return len(set(map(_DTYPE, tensors))) == 1


def in_memory_order(param: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
    """Views with the axes in the order in which they lie in memory, if all strides agree; otherwise the tensors."""
    if param.is_contiguous() or any(other.stride() != param.stride() for other in others):
        return param, *others
    order = sorted(range(param.ndim), key=param.stride, reverse=True)
    return tuple(tensor.permute(order) for tensor in (param, *others))
