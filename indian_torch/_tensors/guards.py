"""A fast test whether tensors are laid out as the tensors that passed a thorough check before.

A check of a list of tensors in Python reads shape, dtype, device and strides one by one, a tenth of a microsecond each.
For many small tensors this takes as long as their step. The guards of torch.compile compare all of them in one call.
"""

import functools
from collections.abc import Sequence
from typing import Any, Final, Generic, TypeVar

import torch
from torch import Tensor

from indian_torch._compat import LayoutGuards

__all__ = ["Memo", "are_right"]

Result = TypeVar("Result")

_PATIENCE: Final = 8
"""How many more results than were found again a memo keeps, before it takes no more: keeping costs time, too."""


class Memo(Generic[Result]):
    """The result of a check, which holds for all tensors of the same layout.

    Two lists of tensors have the same layout if the tensors at each index have the same class, dtype, device, shape and
    strides.
    """

    def __init__(self) -> None:
        self._length = -1
        self._guards: Any = None
        self._result: Result | None = None
        self._balance = _PATIENCE

    def get(self, tensors: Sequence[Any]) -> Result | None:
        """The result for tensors of this layout; None if it is not known."""
        if len(tensors) != self._length or not self._guards.check(*tensors):
            return None
        self._balance = min(self._balance + 1, _PATIENCE)
        return self._result

    def keep(self, tensors: Sequence[Tensor], result: Result) -> None:
        """Keep the result of a check of these tensors, in place of an earlier one.

        Args:
            tensors: Of no subclass of tensors.
            result: What `get` is to return for tensors of this layout.
        """
        if self._balance > 0 and are_right():
            self._balance -= 1
            self._length, self._guards, self._result = len(tensors), _guards_of(tensors), result


def _guards_of(tensors: Sequence[Tensor]) -> Any:
    return LayoutGuards(
        *tensors,
        dynamic_dims_sizes=[list(tensor.shape) for tensor in tensors],
        dynamic_dims_strides=[list(tensor.stride()) for tensor in tensors],
    )


@functools.cache
def are_right() -> bool:
    """Whether PyTorch's guards are there, and tell layouts apart."""
    if LayoutGuards is None:
        return False
    like = torch.zeros(2, 3), torch.zeros(())
    others = (
        torch.zeros(3, 2),
        torch.zeros(6),
        torch.zeros(3, 2).t(),
        torch.zeros(2, 3, dtype=torch.float64),
        torch.zeros(2, 3, device="meta"),
        torch.zeros(2, 3).to_sparse(),
        torch.nn.Parameter(torch.zeros(2, 3)),
        None,
    )
    try:
        guards = _guards_of(like)
        return guards.check(torch.ones(2, 3), like[1]) and not any(guards.check(other, like[1]) for other in others)
    except (RuntimeError, TypeError, ValueError, SystemError):
        return False
