"""What an implementation of the step is asked and told."""

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from indian_torch._norm.norm_step import NormStep
from indian_torch._step.family import Coefficients, Mode
from indian_torch._tensors.layout import Layout

__all__ = ["Batch", "Implementation"]


class Batch(NamedTuple):
    """Tensors whose step has all numbers in common.

    Attributes:
        params: θ.
        grads: g.
        buffers: ``multiple`` · m, where m is the velocity or what takes its place.
        accumulators: v of the norm; None without a norm.
        multiple: The multiple of the buffers; 1 for the buffers themselves.
        is_first: Whether this is a first step with coefficients of its own.
    """

    params: list[Tensor]
    grads: list[Tensor]
    buffers: list[Tensor]
    accumulators: list[Tensor] | None
    multiple: float
    is_first: bool


class Implementation(Protocol):
    """An implementation of the step; each is a module with these functions. None but `update` changes anything."""

    def supports(self, mode: Mode, device: torch.device, dtype: torch.dtype) -> bool:
        """Whether flags and the device and dtype of a parameter allow it, whatever the numbers and the layout."""

    def buffer_multiple(self, coefficients: Coefficients) -> float | None:
        """The multiple of the buffer that a state starts with; None if the state keeps the buffer itself."""

    def can_take(self, coefficients: Coefficients, *, first: bool) -> bool:
        """Whether it can express a step with these numbers."""

    def fits(self, layout: Layout) -> bool:
        """Whether it can work on tensors that lie in memory like this."""

    def update(
        self, batch: Batch, coefficients: Coefficients, norm: NormStep | None, grad_scale: Tensor | None
    ) -> float:
        """Take the step of a batch in place.

        Args:
            batch: Tensors that it supports and that fit, all on one device and with parameters of one dtype.
            coefficients: Of the step.
            norm: The norm at this step; None without a norm.
            grad_scale: The factor that the gradients contain; they are divided by it in place.

        Returns:
            The multiple of the new buffers.
        """
