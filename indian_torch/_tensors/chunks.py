"""Tensors cut into chunks. No temporary has the size of the model, and the temporaries of a chunk stay in the cache."""

from collections.abc import Iterator
from typing import Any

from torch import Tensor

__all__ = ["chunks", "chunks_of_lists", "size_of_largest"]

_SIZE = 2**18
"""Elements of a chunk."""


def chunks(*tensors: Tensor) -> Iterator[Any]:
    """Views of tensors of one shape, of at most `_SIZE` elements; slices of one axis if memory is in another order."""
    size = tensors[0].numel()
    if size <= _SIZE:
        return iter([tensors])
    if all(tensor.is_contiguous() for tensor in tensors):
        return zip(*(tensor.view(-1).split(_SIZE) for tensor in tensors), strict=True)
    shape = tensors[0].shape
    axis = shape.index(max(shape))
    length = max(1, _SIZE * shape[axis] // size)
    return zip(*(tensor.split(length, axis) for tensor in tensors), strict=True)


def chunks_of_lists(*lists: list[Tensor]) -> Iterator[tuple[list[Tensor], ...]]:
    """Lists of views, together of about `_SIZE` elements; the tensors at one index of the lists have one shape.

    Devices other than the CPU get the lists as they are: there, an operation is fastest on many tensors at a time.
    """
    first = lists[0]
    sizes = [tensor.numel() for tensor in first]
    if sum(sizes) <= _SIZE or first[0].device.type != "cpu":
        yield lists
        return
    start = taken = 0
    for place, size in enumerate(sizes):
        if taken and taken + size > _SIZE:
            yield tuple(tensors[start:place] for tensors in lists)
            start, taken = place, 0
        if size > _SIZE:
            for views in chunks(*(tensors[place] for tensors in lists)):
                yield tuple([view] for view in views)
            start = place + 1
        else:
            taken += size
    if start < len(first):
        yield tuple(tensors[start:] for tensors in lists)


def size_of_largest(tensors: list[Tensor]) -> int:
    """The largest number of elements that a chunk of such a list may have."""
    size = sum(tensor.numel() for tensor in tensors)
    return min(size, _SIZE) if tensors[0].device.type == "cpu" else size
