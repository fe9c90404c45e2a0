"""A fast test whether tensors are laid out as the tensors that passed a thorough check before.

A check of a list of tensors in Python reads shape, dtype, device and strides one by one, a tenth of a microsecond each.
For many small tensors this takes as long as their step. The guards of torch.compile compare all of them in one call.
"""

import functools
from collections.abc import Sequence
from typing import Any, Final, Generic, TypeVar

import torch
from torch import Tensor

from indian_torch._compat import LayoutGuards, without_modes

__all__ = ["LayoutMemo", "guards_work"]

Result = TypeVar("Result")

_PATIENCE: Final = 8
"""A memo stops storing once it has stored this many results more than it has reused: storing costs time, too."""


class LayoutMemo(Generic[Result]):
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
            tensors: Plain tensors, of no subclass.
            result: What `get` is to return for tensors of this layout.
        """
        if self._balance > 0 and guards_work():
            self._balance -= 1
            self._length, self._guards, self._result = len(tensors), _guards_of(tensors), result


def _guards_of(tensors: Sequence[Tensor]) -> Any:
    return LayoutGuards(
        *tensors,
        dynamic_dims_sizes=[list(tensor.shape) for tensor in tensors],
        dynamic_dims_strides=[list(tensor.stride()) for tensor in tensors],
    )


@functools.cache
def guards_work() -> bool:
    """Whether PyTorch's guards are there, and tell layouts apart."""
    if LayoutGuards is None:
        return False

    def zeros(*shape: int, dtype: torch.dtype = torch.float32, device: str = "cpu") -> Tensor:
        return torch.zeros(shape, dtype=dtype, device=device)

    # The answer is kept, so neither defaults nor modes of the step that asks first may decide it.
    with without_modes():
        try:
            guards, scalar = _guards_of((zeros(2, 3), zeros())), zeros()
            others = (
                zeros(3, 2),
                zeros(6),
                zeros(3, 2).t(),
                zeros(2, 3, dtype=torch.float64),
                zeros(2, 3, device="meta"),
                zeros(2, 3).to_sparse(),
                torch.nn.Parameter(zeros(2, 3)),
                None,
            )
            return guards.check(zeros(2, 3), scalar) and not any(guards.check(other, scalar) for other in others)
        except Exception:  # Whatever a release does otherwise, the thorough checks take its place.
            return False
