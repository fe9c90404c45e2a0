"""Which parameters of a group take their step in the same calls. Nothing here changes a tensor or a state."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from indian_torch._step.family import Coefficients, CoefficientsAt
from indian_torch._step.implementation import Batch, Implementation
from indian_torch._step.state import State, StateTensors, lists_of
from indian_torch._tensors.dtypes import as_real
from indian_torch._tensors.layout import Layout, in_memory_order, layout_of
from indian_torch._tensors.shards import local_parts

__all__ = ["Choices", "Kind", "Members", "grouped"]

Choices: TypeAlias = Mapping[tuple[torch.device, torch.dtype], tuple[Implementation, ...]]
"""The implementations that support parameters of a device and dtype, best first."""


@dataclass(frozen=True)
class Kind:
    """What the parameters of a batch have in common.

    Attributes:
        implementation: What takes their step.
        count: The number of their step; 2 for all steps for which it makes no difference.
        is_first: Whether this is a first step with coefficients of its own.
        multiple: The multiple of the buffer that their states hold; 1 for the buffer itself.
        device: Of all tensors.
        dtype: Of the parameters.
    """

    implementation: Implementation
    count: int
    is_first: bool
    multiple: float
    device: torch.device
    dtype: torch.dtype


class Members(NamedTuple):
    """The parameters of a group that take a step, at least one.

    Attributes:
        params: The parameters.
        grads: Their gradients.
        states: Their states, of the form that the first of their implementations asks for.
        tensors: The tensors of the states.
        layout: Of all these tensors; None if it has not been looked at.
        counts: Of their steps; 2 for all steps for which it makes no difference.
        starts_apart: Whether a first step has coefficients of its own.
    """

    params: list[Tensor]
    grads: list[Tensor]
    states: list[State]
    tensors: StateTensors
    layout: Layout | None
    counts: list[int]
    starts_apart: bool


def grouped(members: Members, coefficients: CoefficientsAt, choices: Choices) -> dict[Kind, tuple[Batch, list[State]]]:
    """The parameters of a group by kind, with the states of each batch.

    Args:
        members: The parameters.
        coefficients: Of the group, by the number of the step.
        choices: The implementations that support the parameters.
    """
    return _single_batch(members, coefficients, choices) or _batches_by_kind(members, coefficients, choices)


def _single_batch(
    members: Members, coefficients: CoefficientsAt, choices: Choices
) -> dict[Kind, tuple[Batch, list[State]]] | None:
    """All parameters in one batch, found without a look at each, if the best implementation fits them all."""
    params, grads, states, of_states, layout, counts, starts_apart = members
    count, multiple = counts[0], states[0].get("multiple", 1.0)
    multiples = [state.get("multiple", 1.0) for state in states]
    if len(choices) > 1 or counts.count(count) != len(counts) or multiples.count(multiple) != len(multiples):
        return None
    (((device, dtype), implementations),) = choices.items()
    lists = [params, grads, *lists_of(of_states)]
    layout = layout or layout_of(*lists)
    # The implementations support the dtypes of parameters and state.
    if not layout.is_plain or not layout.has_one_dtype or (dtype.is_complex and of_states.accumulators is not None):
        return None
    is_first = starts_apart and count == 1
    implementation = _able(implementations, coefficients(count), is_first)[0]
    if not implementation.fits(layout):
        return None
    kind = Kind(implementation, count, is_first, multiple, device, dtype)
    return {kind: (_batch(lists, kind), states)}


def _batches_by_kind(
    members: Members, coefficients: CoefficientsAt, choices: Choices
) -> dict[Kind, tuple[Batch, list[State]]]:
    params, grads, states, of_states, _, counts, starts_apart = members
    found: dict[Kind, tuple[list[list[Tensor]], list[State]]] = {}
    lists = [params, grads, *lists_of(of_states)]
    for state, count, *of_param in zip(states, counts, *lists, strict=True):
        device, dtype = of_param[0].device, of_param[0].dtype
        tensors = local_parts(*of_param)
        if of_states.accumulators is not None:
            tensors = tuple(map(as_real, tensors))
        tensors = in_memory_order(*tensors)
        layout = layout_of(*([tensor] for tensor in tensors))
        is_first = starts_apart and count == 1
        able = _able(choices[device, dtype], coefficients(count), is_first)
        implementation = next(each for each in able if each.fits(layout))
        kind = Kind(implementation, count, is_first, state.get("multiple", 1.0), device, tensors[0].dtype)
        of_kind, states_of_kind = found.setdefault(kind, ([[] for _ in tensors], []))
        for tensors_so_far, tensor in zip(of_kind, tensors, strict=True):
            tensors_so_far.append(tensor)
        states_of_kind.append(state)
    return {kind: (_batch(of_kind, kind), states_of_kind) for kind, (of_kind, states_of_kind) in found.items()}


def _able(
    implementations: tuple[Implementation, ...], coefficients: Coefficients, is_first: bool
) -> list[Implementation]:
    """The implementations that can express the step."""
    return [each for each in implementations if each.can_take(coefficients, first=is_first)]


def _batch(lists: list[list[Tensor]], kind: Kind) -> Batch:
    params, grads, buffers, *rest = lists
    return Batch(params, grads, buffers, rest[0] if rest else None, kind.multiple, kind.is_first)
