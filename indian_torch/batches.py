"""Which parameters of a group take their step in the same calls."""

from enum import Enum
from itertools import chain
from operator import attrgetter
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import Parameter

from indian_torch import kernel
from indian_torch.shards import local_parts
from indian_torch.state import State, match_dtypes, scale_velocity, state_dtypes, unscale_velocity

__all__ = ["Batch", "How", "Kind", "batches"]

_FULL_PRECISION = frozenset({torch.float32, torch.float64, torch.complex64, torch.complex128})
_DTYPE, _DEVICE = attrgetter("dtype"), attrgetter("device")
_PLAIN_TYPES = frozenset({Tensor, Parameter})


class How(Enum):
    """The implementations of a step."""

    KERNEL = "kernel"
    TOGETHER = "together"
    ONE_BY_ONE = "one by one"


class Batch(NamedTuple):
    """Parameters whose steps have all numbers in common.

    Attributes:
        states: The state of each.
        tensors: Lists of one tensor for each: parameters, gradients, velocities and, in a norm, accumulators.
    """

    states: list[State]
    tensors: tuple[list[Tensor], ...]

    def add(self, state: State, *tensors: Tensor) -> None:
        """Add one parameter."""
        self.states.append(state)
        for found, tensor in zip(self.tensors, tensors, strict=True):
            found.append(tensor)


class Kind(NamedTuple):
    """What a batch has in common.

    Attributes:
        how: The implementation.
        scale: What the velocities are multiples by.
        number: That of this step; later ones are told apart in the RMSProp norm alone, and else 2.
        device: Of the tensors.
        dtype: Of the parameters.
    """

    how: How
    scale: float
    number: int
    device: torch.device
    dtype: torch.dtype


def batches(
    group: dict[str, Any],
    params: list[Tensor],
    grads: list[Tensor],
    states: list[State],
    scale: float,
    has_kernel: bool,
) -> dict[Kind, Batch]:
    """The parameters of a group by kind; velocities that shall be kept as multiples are from here on.

    Args:
        group: The parameter group: flags.
        params: Its parameters that have a gradient.
        grads: Their gradients.
        states: Their states, filled in.
        scale: What to multiply a velocity by that is not yet a multiple.
        has_kernel: Whether the kernel is wanted, and can express a step that is not the first.
    """
    has_norm, counts = group["norm"] is not None, group["norm"] == "rmsprop"
    common = _common(states, counts)
    if common is not None:
        names = ("scaled_velocity", "accumulator") if has_norm else ("scaled_velocity",)
        lists = (params, grads, *([state[name] for state in states] for name in names))
        if _are_alike(group, lists, has_kernel):
            how = How.KERNEL if has_kernel else How.TOGETHER
            return {Kind(how, *common, params[0].device, params[0].dtype): Batch(states, lists)}
    found: dict[Kind, Batch] = {}
    for param, grad, state in zip(params, grads, states, strict=True):
        count = int(state["step"]) + 1
        match_dtypes(param, state, group)
        if _has_primitives(group, param):
            # Not on a first step: if an error ends it, the next one is to be the first.
            if "scale" not in state and count > 1:
                scale_velocity(state, scale)
        else:
            unscale_velocity(state)
        velocity = state["scaled_velocity"] if "scale" in state else state["velocity"]
        tensors = local_parts(param, grad, velocity, *([state["accumulator"]] if has_norm else []))
        if has_norm and param.is_complex():
            tensors = tuple(map(torch.view_as_real, tensors))
        tensors = kernel.in_memory_order(*tensors)
        how = _how(group, param, tensors, has_kernel and count > 1)
        count = count if counts else min(count, 2)
        kind = Kind(how, state.get("scale", 1.0), count, param.device, tensors[0].dtype)
        found.setdefault(kind, Batch([], tuple([] for _ in tensors))).add(state, *tensors)
    return found


def _common(states: list[State], counts: bool) -> tuple[float, int] | None:
    """What all velocities are multiples by, and the number of the step, if both are the same."""
    found = {(state.get("scale"), state["step"] + 1 if counts else 2) for state in states}
    scale, count = found.pop()
    return None if found or scale is None else (scale, count)


def _how(group: dict[str, Any], param: Tensor, tensors: tuple[Tensor, ...], has_kernel: bool) -> How:
    if not _has_primitives(group, param):
        return How.ONE_BY_ONE
    return How.KERNEL if has_kernel and kernel.fits(*tensors) else How.TOGETHER


def _are_alike(group: dict[str, Any], lists: tuple[list[Tensor], ...], in_kernel: bool) -> bool:
    """Whether all parameters are as usual and of one kind, so that no one needs to be looked at by itself."""
    params, tensors = lists[0], list(chain(*lists))
    if group["norm"] is not None and params[0].is_complex():
        return False
    dtypes, devices = {*map(_DTYPE, tensors)}, {*map(_DEVICE, params)}
    if len(dtypes) > 1 or len(devices) > 1 or not _PLAIN_TYPES.issuperset(map(type, tensors)):
        return False
    if in_kernel and not (all(map(Tensor.is_contiguous, tensors)) and kernel.is_right(*devices, *dtypes)):
        return False
    return _has_primitives(group, params[0])


def _has_primitives(group: dict[str, Any], param: Tensor) -> bool:
    """Whether the flags ask for a multi-tensor primitive, and there is one that rounds θ once in a step.

    In 16 bits that matters, and only the kernel does it; float16 is too narrow for multiples of a velocity.
    """
    if any(dtype != param.dtype for dtype in state_dtypes(param, group).values()):
        return False
    if param.dtype in _FULL_PRECISION:
        return bool(group["fused"]) or group["foreach"] is not False
    if param.dtype != torch.bfloat16 or group["weight_decay"] != 0 or group["norm"] is not None:
        return False
    return bool(group["fused"]) and kernel.is_right(param.device, param.dtype)
