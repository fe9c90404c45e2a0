"""Which parameters of a group take their step in the same calls."""

from enum import Enum
from operator import attrgetter
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch.nn import Parameter

from indian_torch import kernel
from indian_torch.shards import local_parts
from indian_torch.state import State, match_velocity_dtype, scale_velocity, unscale_velocity

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
    """Parameters whose steps have all numbers in common."""

    params: list[Tensor]
    grads: list[Tensor]
    velocities: list[Tensor]
    states: list[State]

    def add(self, param: Tensor, grad: Tensor, velocity: Tensor, state: State) -> None:
        """Add one parameter."""
        self.params.append(param)
        self.grads.append(grad)
        self.velocities.append(velocity)
        self.states.append(state)


Kind: TypeAlias = tuple[How, float, bool, torch.device, torch.dtype]
"""What a batch has in common: implementation, scale of the velocities, whether it is the first step, device, dtype."""


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
        states: Their states, which hold a velocity.
        scale: What to multiply a velocity by that is not yet a multiple.
        has_kernel: Whether the kernel is wanted, and can express a step that is not the first.
    """
    common = _common_scale(states)
    if common is not None:
        velocities = [state["scaled_velocity"] for state in states]
        if _are_alike(group, params, grads, velocities, has_kernel):
            how = How.KERNEL if has_kernel else How.TOGETHER
            kind = (how, common, False, params[0].device, params[0].dtype)
            return {kind: Batch(params, grads, velocities, states)}
    found: dict[Kind, Batch] = {}
    for param, grad, state in zip(params, grads, states, strict=True):
        first = int(state["step"]) == 0
        match_velocity_dtype(param, state, group["velocity_dtype"])
        if _has_primitives(group, param):
            # Not on a first step: if an error ends it, the next one is to be the first.
            if "scale" not in state and not first:
                scale_velocity(state, scale)
            velocity = state["velocity"] if first else state["scaled_velocity"]
            tensors = kernel.in_memory_order(*local_parts(param, grad, velocity))
            how = How.KERNEL if has_kernel and not first and kernel.fits(*tensors) else How.TOGETHER
        else:
            unscale_velocity(state)
            tensors = kernel.in_memory_order(*local_parts(param, grad, state["velocity"]))
            how = How.ONE_BY_ONE
        kind = (how, state.get("scale", 1.0), first, param.device, param.dtype)
        found.setdefault(kind, Batch([], [], [], [])).add(*tensors, state)
    return found


def _common_scale(states: list[State]) -> float | None:
    """What all velocities are multiples by, if it is the same."""
    scales = {state.get("scale") for state in states}
    return scales.pop() if len(scales) == 1 else None


def _are_alike(
    group: dict[str, Any], params: list[Tensor], grads: list[Tensor], velocities: list[Tensor], in_kernel: bool
) -> bool:
    """Whether all parameters are as usual and of one kind, so that no one needs to be looked at by itself."""
    tensors = params + grads + velocities
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
    if group["velocity_dtype"] not in (None, param.dtype) and not param.is_complex():
        return False
    if param.dtype in _FULL_PRECISION:
        return bool(group["fused"]) or group["foreach"] is not False
    if param.dtype != torch.bfloat16 or group["weight_decay"] != 0:
        return False
    return bool(group["fused"]) and kernel.is_right(param.device, param.dtype)
