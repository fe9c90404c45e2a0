"""The step of one parameter group: coefficients from the core, applied to tensors in place."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import _device_dtype_check_for_fused

from indian_core.norms import norm_coefficients
from indian_torch import kernel, norm_kernel, one_by_one, together
from indian_torch.batches import How, Kind, batches
from indian_torch.coefficients import Plan, norm_numbers, plan_of
from indian_torch.norm import precondition_one_by_one, precondition_together
from indian_torch.pieces import pieces_of_lists, size_of_largest
from indian_torch.state import State, initialize
from indian_torch.step_with_tensors import step_with_tensors

__all__ = ["step_group"]


def step_group(
    group: dict[str, Any],
    params: list[Tensor],
    grads: list[Tensor],
    states: list[State],
    grad_scale: Tensor | None = None,
) -> None:
    """Take one step of the parameters of a group that have a gradient.

    Args:
        group: The parameter group: hyperparameters and flags.
        params: The parameters, updated in place.
        grads: Their gradients.
        states: The state of each, updated in place; filled in where it is empty.
        grad_scale: What the gradients are multiplied by; they are divided by it in place.

    Raises:
        RuntimeError: ``fused`` is True, and a parameter is not on a device that the kernel supports.
        ValueError: The group has a norm, and a state no accumulator.
    """
    if not params:
        return
    for param, state in zip(params, states, strict=True):
        if not state:
            if group["fused"]:
                _device_dtype_check_for_fused(param)
            initialize(param, state, group)
        elif group["norm"] is not None and "accumulator" not in state:
            raise ValueError(f"norm must be None where earlier steps had no norm, got {group['norm']!r}")
    # torch.compile sets capturable while it traces.
    if group["differentiable"] or group["capturable"]:
        step_with_tensors(group, params, grads, states, grad_scale)
    else:
        _step_with_numbers(group, params, grads, states, grad_scale)


def _step_with_numbers(
    group: dict[str, Any], params: list[Tensor], grads: list[Tensor], states: list[State], grad_scale: Tensor | None
) -> None:
    """The usual path: the coefficients are Python numbers, common to many parameters."""
    plan = plan_of(group)
    for kind, batch in batches(group, params, grads, states, plan.scale, plan.has_kernel).items():
        step = _step_of_gradients if group["norm"] is None else _step_in_norm
        next_scale = step(group, kind, plan, batch.tensors, grad_scale)
        if next_scale != kind.scale:
            for state in batch.states:
                state["scale"] = next_scale
    for state in states:
        state["step"] += 1


def _step_in_norm(
    group: dict[str, Any], kind: Kind, plan: Plan, tensors: tuple[list[Tensor], ...], grad_scale: Tensor | None
) -> float:
    """Take one step in the norm of the group; returns what the velocities are multiples by after it."""
    _, grads, _, accumulators = tensors
    precondition = _preconditioner(group, kind, grads, accumulators)
    divisor = None if grad_scale is None else grad_scale.item()
    next_scale = kind.scale
    for params, grads, velocities, accumulators in pieces_of_lists(*tensors):
        if divisor is not None:
            torch._foreach_div_(grads, divisor)
        gradients = precondition(grads, accumulators)
        next_scale = _step_of_gradients(group, kind, plan, (params, gradients, velocities), None)
    return next_scale


def _preconditioner(
    group: dict[str, Any], kind: Kind, grads: list[Tensor], accumulators: list[Tensor]
) -> Callable[[list[Tensor], list[Tensor]], list[Tensor]]:
    """What makes A⁻¹g of pieces of the gradients, and of those of the accumulators, which it lets take g in."""
    norm, (decay, epsilon) = group["norm"], norm_numbers(group)
    # On the CPU, where the kernel allocates next to nothing, it is the faster way for `foreach`, too.
    has_kernel = kind.how is How.KERNEL or (
        kind.how is How.TOGETHER
        and kind.device.type == "cpu"
        and all(tensor.is_contiguous() for tensor in (*grads, *accumulators))
    )
    if has_kernel and norm_kernel.is_right(norm, kind.device, kind.dtype):
        memory = norm_kernel.workspace(grads, size_of_largest(grads))
        return partial(
            norm_kernel.precondition, norm=norm, number=kind.number, decay=decay, epsilon=epsilon, memory=memory
        )
    coefficients = norm_coefficients(norm, kind.number, decay, epsilon)
    precondition = precondition_one_by_one if kind.how is How.ONE_BY_ONE else precondition_together
    return partial(precondition, c=coefficients)


def _step_of_gradients(
    group: dict[str, Any], kind: Kind, plan: Plan, tensors: tuple[list[Tensor], ...], grad_scale: Tensor | None
) -> float:
    """Take one step by the gradients, or by what stands for them; returns as `_step_in_norm`."""
    params, grads, velocities = tensors
    if kind.how is How.KERNEL:
        return kernel.update(params, grads, velocities, plan.post, kind.scale, grad_scale)
    if grad_scale is not None:
        torch._foreach_div_(grads, grad_scale.item())
    coefficients = plan.first if kind.number == 1 else plan.pre
    if kind.how is How.TOGETHER:
        together.update(params, grads, velocities, coefficients, kind.scale)
    else:
        one_by_one.update(params, grads, velocities, coefficients)
    return kind.scale
