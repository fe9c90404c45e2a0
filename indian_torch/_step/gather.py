"""What a step works on: the tensors of a group, with every check that may refuse them."""

from collections.abc import Mapping
from itertools import chain
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor

from indian_torch._compat import base_of, is_protected_view, refuse_unfusable
from indian_torch._step.family import CoefficientsAt, Entries, Family, Mode
from indian_torch._step.settings import tensors_in, with_numbers
from indian_torch._step.state import State, StateTensors, lists_of, scaled, tensors_of
from indian_torch._tensors.comparison import difference
from indian_torch._tensors.guards import LayoutMemo
from indian_torch._tensors.layout import Layout, are_plain, layout_of
from indian_torch._tensors.writable import are_writable, what_forbids_writing

__all__ = ["Gathered", "Kinds", "Known", "gather"]

Kinds: TypeAlias = set[tuple[torch.device, torch.dtype]]
"""Pairs of the device and the dtype of parameters."""


class Gathered(NamedTuple):
    """The part of a parameter group that takes a step.

    Attributes:
        family: Of the optimizer.
        settings: Of the group.
        mode: That the settings say.
        params: The parameters that have a gradient.
        grads: Their gradients, real only for real parameters.
        states: Their states as they are before the step; None or empty before the first one.
        tensors: The tensors of the states; None if a state is missing or incomplete.
        kinds: The pairs of device and dtype among the parameters.
        layout: Of all these tensors; None if it has not been looked at.
        coefficients: Of the step, in Python numbers; None if the host must not read them, or if no parameter has a
            gradient.
    """

    family: Family
    settings: Any
    mode: Mode
    params: list[Tensor]
    grads: list[Tensor]
    states: list[State | None]
    tensors: StateTensors | None
    kinds: Kinds
    layout: Layout | None
    coefficients: CoefficientsAt | None


class Known(NamedTuple):
    """What a check found out about tensors that passed it; see `Gathered`."""

    kinds: Kinds
    layout: Layout


def gather(
    family: Family,
    group: Mapping[str, Any],
    states: Mapping[Tensor, State],
    place: str,
    owner: str,
    memo: LayoutMemo[Known],
) -> Gathered:
    """The settings of a group, and its parameters that have a gradient; changes nothing but the memo.

    An optimizer gathers all groups before it updates the first one, so an error leaves everything as it was. The
    private kernels of PyTorch look at no shape: what they write to has been looked at here.

    Args:
        family: Of the optimizer.
        group: The parameter group.
        states: Of all parameters of the optimizer.
        place: Of the group, for errors.
        owner: The name of the optimizer, for errors.
        memo: Keeps the result of the checks for the next step of the group.

    Raises:
        RuntimeError: A gradient is sparse; a parameter is not of a floating or complex dtype of at least 16 bits, or
            one that autograd protects from the step; a parameter or a tensor of the state cannot be changed in place;
            or ``fused`` is True and a parameter is on a device without a kernel.
        ValueError: A gradient or a tensor of the state is of another shape than its parameter, on another device, or
            complex beside a real parameter; the group has a norm, and earlier steps had none; or a setting is
            invalid.
        TypeError: A setting is of the wrong type.
    """
    settings = family.settings_of(group)
    mode = family.mode_of(settings)
    params: list[Tensor] = group["params"]
    grads: list[Any] = [param.grad for param in params]
    if any([grad is None for grad in grads]):  # noqa: C419
        params = [param for param, grad in zip(params, grads, strict=True) if grad is not None]
        grads = [grad for grad in grads if grad is not None]
    own = [states.get(param) for param in params]
    if not params:
        return Gathered(family, settings, mode, params, grads, own, None, set(), None, None)
    of_states = tensors_of(family.ENTRIES, own, has_norm=mode.norm is not None)
    if of_states is None or torch.compiler.is_compiling():
        tensors, known = [], None
    else:
        tensors = [*params, *grads, *chain(*lists_of(of_states))]
        known = memo.get(tensors)
    if known is None:
        _refuse_unfit(family, group, settings, mode, params, grads, own, of_states, place, owner)
        supported, kinds = _in_supported_dtypes(params, grads, place)
        layout = layout_of(params, grads, *lists_of(of_states)) if of_states is not None and tensors else None
        if layout is not None and layout.is_plain and supported is grads:
            memo.keep(tensors, Known(kinds, layout))
        grads = supported
    else:
        kinds, layout = known
    _refuse_protected(params, place)
    coefficients = _coefficients(family, settings, mode, kinds, place)
    return Gathered(family, settings, mode, params, grads, own, of_states, kinds, layout, coefficients)


def _refuse_unfit(
    family: Family,
    group: Mapping[str, Any],
    settings: Any,
    mode: Mode,
    params: list[Tensor],
    grads: list[Tensor],
    states: list[State | None],
    of_states: StateTensors | None,
    place: str,
    owner: str,
) -> None:
    """Refuse gradients and states that do not go with their parameters."""
    if any([grad.layout is not torch.strided for grad in grads]):  # noqa: C419
        raise RuntimeError(f"{owner} does not support sparse gradients")
    if mode.fused and not all(states):
        for param, state in zip(params, states, strict=True):
            if not state:
                refuse_unfusable(param)
    family.refuse_unfit(settings, states)
    lists = lists_of(of_states) if of_states is not None else None if any(states) else []
    if lists is None or not _are_alike(params, grads, *lists):
        positions = [position for position, param in enumerate(group["params"]) if param.grad is not None]
        for position, param, grad, state in zip(positions, params, grads, states, strict=True):
            _refuse_unlike(f"parameter {position} of {place}", family.ENTRIES, mode, param, grad, state)


def _are_alike(params: list[Tensor], grads: list[Tensor], *buffers: list[Tensor]) -> bool:
    """Whether shapes and devices agree, no parameter is of a subclass, and the step may write where it will."""
    shapes = [param.shape for param in params]
    devices = {param.device for param in params}
    try:
        if any([shapes != [tensor.shape for tensor in tensors] for tensors in (grads, *buffers)]):  # noqa: C419
            return False
        devices |= {tensor.device for tensors in (grads, *buffers) for tensor in tensors}
    except AttributeError:  # One is None.
        return False
    return are_plain(params) and len(devices) == 1 and are_writable(params, *buffers)


def _refuse_unlike(place: str, entries: Entries, mode: Mode, param: Tensor, grad: Tensor, state: State | None) -> None:
    forbids = what_forbids_writing(param)
    if forbids is not None:
        raise RuntimeError(f"{place} must be a tensor that a step can change, got one {forbids}")
    tensors = {"gradient": grad}
    if state:
        name = scaled(entries) if "multiple" in state else entries.buffer
        tensors[name] = state.get(name)  # type: ignore[assignment]
        if mode.norm is not None:
            tensors[entries.accumulator] = state.get(entries.accumulator)  # type: ignore[assignment]
        if entries.has_step and state.get("step") is None:
            raise ValueError(f"the state of {place} must have the number of steps taken, step, got none")
    for name, tensor in tensors.items():
        differs = difference(param, tensor)
        if differs is not None:
            raise ValueError(
                f"gradient and state of {place} must be like the parameter, of shape {tuple(param.shape)}, "
                f"got {differs.format(name)}"
            )
        if name != "gradient" and getattr(tensor, "placements", None) != getattr(param, "placements", None):
            raise ValueError(f"the {name} of {place} must be distributed as the parameter is")
        forbids = None if name == "gradient" else what_forbids_writing(tensor)
        if forbids is not None:
            raise RuntimeError(f"the state of {place} must be one that a step can change, got {name} {forbids}")


def _in_supported_dtypes(params: list[Tensor], grads: list[Tensor], place: str) -> tuple[list[Tensor], Kinds]:
    """The gradients, complex for complex parameters and otherwise as they are; and the kinds of the parameters."""
    kinds = {(param.device, param.dtype) for param in params}
    dtypes, grad_dtypes = {dtype for _, dtype in kinds}, {grad.dtype for grad in grads}
    for dtype in dtypes | grad_dtypes:
        if not (dtype.is_floating_point or dtype.is_complex) or dtype.itemsize < 2:
            raise RuntimeError(
                f"parameters and gradients must be of a floating or complex dtype of 16 bits or more, got {dtype} "
                f"in {place}"
            )
    if any(dtype.is_complex for dtype in dtypes | grad_dtypes) and (len(dtypes) > 1 or dtypes != grad_dtypes):
        for param, grad in zip(params, grads, strict=True):
            if grad.is_complex() and not param.is_complex():
                raise ValueError(f"gradients of real parameters must be real, got one of {grad.dtype} in {place}")
        grads = [g if p.is_complex() == g.is_complex() else g.to(p.dtype) for p, g in zip(params, grads, strict=True)]
    has_complex = any([dtype.is_complex for dtype in grad_dtypes])  # noqa: C419
    if has_complex and not torch.compiler.is_compiling() and any([grad.is_conj() for grad in grads]):  # noqa: C419
        # A view of the real and imaginary parts, as a step in a norm takes, needs the numbers themselves.
        grads = [grad.resolve_conj() for grad in grads]
    return grads, kinds


def _refuse_protected(params: list[Tensor], place: str) -> None:
    """Refuse what autograd would refuse in the middle of the step."""
    if not torch.is_grad_enabled():
        return
    for param in params:
        if param.requires_grad and base_of(param).is_leaf:
            raise RuntimeError(
                f"with differentiable=True parameters must not be a leaf Variable that requires grad, nor a view of "
                f"one, got one in {place}; an in-place operation would break the graph"
            )
        if is_protected_view(param):
            raise RuntimeError(
                f"with differentiable=True parameters must not be views that no in-place operation may follow, as "
                f"those of unbind, split and chunk, or of no_grad, got one in {place}; clone them"
            )


def _coefficients(family: Family, settings: Any, mode: Mode, kinds: Kinds, place: str) -> CoefficientsAt | None:
    """The coefficients of the step, computed now since a setting may be invalid."""
    family.check_choices(settings)
    if mode.is_traced:
        devices = {torch.device("cpu")} | {device for device, _ in kinds}
        for name, value in tensors_in(family.NAMES, settings):
            if value.numel() != 1 or value.device not in devices:
                raise ValueError(
                    f"{name} of {place} must be a number or a tensor of one element on the device of the parameters, "
                    f"got a tensor of shape {tuple(value.shape)} on {value.device}"
                )
        if not torch.compiler.is_compiling():
            _coefficients_of_numbers(family, with_numbers(settings), place)
        return None
    return _coefficients_of_numbers(family, settings, place)


def _coefficients_of_numbers(family: Family, settings: Any, place: str) -> CoefficientsAt:
    try:
        return family.coefficients_of(settings)
    except (ArithmeticError, RuntimeError, TypeError, ValueError):
        for name, value in tensors_in(family.NAMES, settings):
            if value.is_meta:
                raise ValueError(
                    f"{name} of {place} must be a number or a tensor with a value, got a tensor on meta"
                ) from None
        family.checked(settings)  # Its error names the setting.
        raise
