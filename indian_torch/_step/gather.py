"""What a step works on: the tensors of a group, with every check that may refuse them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.optim.optimizer import _device_dtype_check_for_fused

from indian_torch._step.settings import Settings, settings_of
from indian_torch._step.state import State

__all__ = ["Gathered", "gather"]


class Gathered(NamedTuple):
    """The part of a parameter group that takes a step.

    Attributes:
        settings: Of the group.
        params: The parameters that have a gradient.
        grads: Their gradients.
        states: Their states as they are before the step; None or empty before the first one.
    """

    settings: Settings
    params: list[Tensor]
    grads: list[Tensor]
    states: list[State | None]


def gather(group: Mapping[str, Any], states: Mapping[Tensor, State]) -> Gathered:
    """The settings of a group, and its parameters that have a gradient; changes nothing.

    An optimizer gathers all groups before it updates the first one, so an error leaves everything as it was.

    Raises:
        RuntimeError: A gradient is sparse; or ``fused`` is True and a parameter is on a device without a kernel.
        ValueError: The group has a norm, and earlier steps had none.
    """
    settings = settings_of(group)
    params: list[Tensor] = []
    grads: list[Tensor] = []
    for param in group["params"]:
        grad = param.grad
        if grad is not None:
            params.append(param)
            grads.append(grad)
    if any([grad.layout is not torch.strided for grad in grads]):  # noqa: C419
        raise RuntimeError("INDIAN does not support sparse gradients")
    own = [states.get(param) for param in params]
    if settings.fused and not all(own):
        for param, state in zip(params, own, strict=True):
            if not state:
                _device_dtype_check_for_fused(param)
    if settings.norm is not None and any([state and "accumulator" not in state for state in own]):  # noqa: C419
        raise ValueError(f"norm must be None where earlier steps had no norm, got {settings.norm!r}")
    return Gathered(settings, params, grads, own)
