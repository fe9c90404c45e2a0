"""Which parameters of a group take their step in the same calls. Nothing here changes a tensor or a state."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import TypeAlias

import torch
from torch import Tensor

from indian_torch._step.coefficients import Coefficients
from indian_torch._step.implementation import Batch, Implementation
from indian_torch._step.state import State
from indian_torch._tensors.dtypes import as_real
from indian_torch._tensors.layout import are_plain, have_one_dtype, in_memory_order
from indian_torch._tensors.shards import local_parts

__all__ = ["Choices", "Kind", "grouped"]

Choices: TypeAlias = Mapping[tuple[torch.device, torch.dtype], tuple[Implementation, ...]]
"""The implementations that support parameters of a device and dtype, best first."""


@dataclass(frozen=True)
class Kind:
    """What the parameters of a batch have in common.

    Attributes:
        implementation: What takes their step.
        count: The number of their step; 2 for all later steps if the number makes no difference.
        scale: The multiple of the velocity that their states hold; 1 for the velocity itself.
        device: Of all tensors.
        dtype: Of the parameters.
    """

    implementation: Implementation
    count: int
    scale: float
    device: torch.device
    dtype: torch.dtype


def grouped(
    params: list[Tensor],
    grads: list[Tensor],
    states: list[State],
    counts: list[int],
    coefficients: Coefficients,
    choices: Choices,
    has_norm: bool,
) -> dict[Kind, tuple[Batch, list[State]]]:
    """The parameters of a group by kind, with the states of each batch.

    Args:
        params: The parameters that have a gradient, at least one.
        grads: Their gradients.
        states: Their states, of the form that the first of their implementations asks for.
        counts: The numbers of their steps; 2 for all later steps if the number makes no difference.
        coefficients: Of the group.
        choices: The implementations that support the parameters.
        has_norm: Whether the step is taken in a norm.
    """
    arguments = params, grads, states, counts, coefficients, choices, has_norm
    return _single_batch(*arguments) or _batches_by_kind(*arguments)


def _single_batch(
    params: list[Tensor],
    grads: list[Tensor],
    states: list[State],
    counts: list[int],
    coefficients: Coefficients,
    choices: Choices,
    has_norm: bool,
) -> dict[Kind, tuple[Batch, list[State]]] | None:
    """All parameters in one batch, found without a look at each, if the best implementation fits them all."""
    count, scale = counts[0], states[0].get("scale", 1.0)
    scales = [state.get("scale", 1.0) for state in states]
    if len(choices) > 1 or counts.count(count) != len(counts) or scales.count(scale) != len(scales):
        return None
    lists = [params, grads, *_buffers(states, has_norm)]
    tensors = list(chain(*lists))
    (((device, dtype), implementations),) = choices.items()
    # The implementations support the dtypes of parameters and state.
    if not are_plain(tensors) or not have_one_dtype([params[0], *grads]) or (dtype.is_complex and has_norm):
        return None
    implementation = _able(implementations, coefficients, count)[0]
    if not implementation.fits(tensors, is_plain=True, has_one_dtype=True):
        return None
    kind = Kind(implementation, count, scale, device, dtype)
    return {kind: (_batch(lists, kind), states)}


def _batches_by_kind(
    params: list[Tensor],
    grads: list[Tensor],
    states: list[State],
    counts: list[int],
    coefficients: Coefficients,
    choices: Choices,
    has_norm: bool,
) -> dict[Kind, tuple[Batch, list[State]]]:
    found: dict[Kind, tuple[list[list[Tensor]], list[State]]] = {}
    for param, grad, state, count in zip(params, grads, states, counts, strict=True):
        tensors = local_parts(param, grad, *(buffer for (buffer,) in _buffers([state], has_norm)))
        if has_norm:
            tensors = tuple(map(as_real, tensors))
        tensors = in_memory_order(*tensors)
        able = _able(choices[param.device, param.dtype], coefficients, count)
        memory = {"is_plain": are_plain(tensors), "has_one_dtype": have_one_dtype(tensors)}
        implementation = next(each for each in able if each.fits(tensors, **memory))
        kind = Kind(implementation, count, state.get("scale", 1.0), param.device, tensors[0].dtype)
        lists, of_batch = found.setdefault(kind, ([[] for _ in tensors], []))
        for tensors_so_far, tensor in zip(lists, tensors, strict=True):
            tensors_so_far.append(tensor)
        of_batch.append(state)
    return {kind: (_batch(lists, kind), of_batch) for kind, (lists, of_batch) in found.items()}


def _buffers(states: list[State], has_norm: bool) -> list[list[Tensor]]:
    """The velocities or their multiples and, in a norm, the accumulators."""
    velocity = "scaled_velocity" if "scale" in states[0] else "velocity"
    keys = (velocity, "accumulator") if has_norm else (velocity,)
    return [[state[key] for state in states] for key in keys]


def _able(implementations: tuple[Implementation, ...], coefficients: Coefficients, count: int) -> list[Implementation]:
    """The implementations that can express the step."""
    return [each for each in implementations if each.can_take(coefficients, first=count == 1)]


def _batch(lists: list[list[Tensor]], kind: Kind) -> Batch:
    params, grads, velocities, *rest = lists
    return Batch(params, grads, velocities, rest[0] if rest else None, kind.scale, is_first=kind.count == 1)
