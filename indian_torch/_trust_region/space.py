"""PyTorch's vectors, for the solvers of `indian_core.trust_region`.

Vectors stay on the parameters' device and change in place. The scalars of a decision come to the host, together: Python
computes with its own numbers in a fraction of the time that operations on tensors without dimensions take.
"""

import numpy
import torch
from torch import Tensor

from indian_core.norms import preconditioned
from indian_core.trust_region.probe import probe
from indian_core.trust_region.space import PythonLoops

__all__ = ["TorchSpace", "numbers"]


class TorchSpace(PythonLoops):
    """Tensors of one dimension in an ellipsoid; see `indian_core.trust_region.space.VectorSpace`.

    Args:
        scale: A, positive, a vector of the dtype and device of all, or of one element for all.
    """

    xp = numpy

    def __init__(self, scale: Tensor) -> None:
        self._scale = scale
        self.eps = torch.finfo(scale.dtype).eps

    def copy(self, x: Tensor) -> Tensor:
        """x."""
        return x.clone()

    def zeros_like(self, x: Tensor) -> Tensor:
        """0."""
        return torch.zeros_like(x)

    def multiply(self, factor: float, x: Tensor) -> Tensor:
        """factor · x, in place."""
        return x.mul_(factor)

    def add_scaled(self, x: Tensor, factor: float, y: Tensor) -> Tensor:
        """x + factor · y, in place."""
        return x.add_(y, alpha=factor)

    def apply_scale(self, x: Tensor) -> Tensor:
        """Ax."""
        return self._scale * x

    def precondition(self, x: Tensor) -> Tensor:
        """A⁻¹x."""
        return preconditioned(x, self._scale)

    def dots(self, *pairs: tuple[Tensor, Tensor]) -> list[float]:
        """xᵀy of each pair."""
        return numbers(*[torch.dot(x, y) for x, y in pairs])

    def probe(self, like: Tensor) -> Tensor:
        """The probe of a space of so many dimensions."""
        index = torch.arange(like.numel(), device=like.device)
        return probe(index).to(like.dtype) / torch.sqrt(self._scale)


def numbers(*scalars: Tensor) -> list[float]:
    """Tensors without dimensions as Python numbers, for which their device is waited for once."""
    return [scalars[0].item()] if len(scalars) == 1 else torch.stack(scalars).tolist()
