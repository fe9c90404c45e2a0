"""Which implementation computes A⁻¹g, and the chunks in which it does."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeAlias

from torch import Tensor

from indian_torch._norm import fused, multi_tensor
from indian_torch._norm.norm_step import NormStep
from indian_torch._tensors.chunks import chunks_of_lists, size_of_largest
from indian_torch._tensors.layout import are_contiguous

__all__ = ["Precondition", "directions", "of_lists"]

Precondition: TypeAlias = Callable[[list[Tensor], list[Tensor]], list[Tensor]]
"""Updates the accumulators, its second argument, and returns A⁻¹g of the gradients, its first."""


def of_lists(norm: NormStep, grads: list[Tensor], accumulators: list[Tensor], *, prefer_fused: bool) -> Precondition:
    """The fastest way to precondition chunks of lists of tensors.

    Args:
        norm: At this step.
        grads: g, real, of one dtype and on one device, as the accumulators are.
        accumulators: v.
        prefer_fused: Whether to take the fused kernel on devices other than the CPU. On the CPU it is always the
            faster one.
    """
    device, dtype = grads[0].device, grads[0].dtype
    is_wanted = prefer_fused or device.type == "cpu"
    if not (is_wanted and fused.is_right(norm.name, device, dtype) and are_contiguous((*grads, *accumulators))):
        return partial(multi_tensor.precondition, c=norm.coefficients)
    return partial(
        fused.precondition,
        norm=norm.name,
        count=norm.count,
        decay=norm.decay,
        epsilon=norm.epsilon,
        memory=fused.workspace(grads, size_of_largest(grads)),
    )


def directions(
    params: list[Tensor],
    grads: list[Tensor],
    buffers: list[Tensor],
    accumulators: list[Tensor] | None,
    precondition: Precondition | None,
) -> Iterator[tuple[list[Tensor], list[Tensor], list[Tensor]]]:
    """Chunks of parameters, directions and buffers: the gradients as they are, or A⁻¹g in a norm.

    Each A⁻¹g is valid until the next chunk. The accumulators are updated chunk by chunk.
    """
    if accumulators is None or precondition is None:
        yield params, grads, buffers
        return
    for some_params, some_grads, some_buffers, some_accumulators in chunks_of_lists(
        params, grads, buffers, accumulators
    ):
        yield some_params, precondition(some_grads, some_accumulators), some_buffers
