"""How tensors lie in memory. Private kernels look at no strides, so their callers must."""

from collections.abc import Iterable
from operator import attrgetter

from torch import Tensor
from torch.nn import Parameter

__all__ = ["are_contiguous", "are_plain", "have_one_dtype", "in_memory_order"]

_DTYPE = attrgetter("dtype")
_PLAIN_TYPES = frozenset({Tensor, Parameter})


def are_contiguous(tensors: Iterable[Tensor]) -> bool:
    """Whether each tensor is contiguous."""
    return all(map(Tensor.is_contiguous, tensors))


def are_plain(tensors: Iterable[Tensor]) -> bool:
    """Whether no tensor is of a subclass, whose memory may be elsewhere."""
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
