"""Parameters as one vector, so that the operations of a solver are one call each."""

from collections.abc import Sequence

import torch
from torch import Tensor

from indian_torch._compat import flatten, unflatten

__all__ = ["FlatLayout"]


class FlatLayout:
    """How parameters lie one after the other in a vector.

    Args:
        params: The parameters; the vector has the device of the first and the dtype that all their dtypes promote to.
    """

    def __init__(self, params: Sequence[Tensor]) -> None:
        self.params = list(params)

    def vector(self, tensors: Sequence[Tensor | None]) -> Tensor:
        """The tensors, of the shapes of the parameters, as one vector; None is a tensor of zeros."""
        pairs = zip(tensors, self.params, strict=True)
        return flatten([torch.zeros_like(p) if t is None else t for t, p in pairs])

    def views(self, vector: Tensor) -> tuple[Tensor, ...]:
        """The vector as tensors of the shapes of the parameters, which share its memory."""
        return unflatten(vector, self.params)
