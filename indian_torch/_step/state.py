"""The state of a parameter: its form, how it is made, changed to another form, saved and loaded.

A state is a dictionary of ``step``, the number of steps taken, a tensor with no dimensions; a buffer, the velocity m or
what takes its place; and in a norm an accumulator, v. The family of the optimizer names the last two, and may do
without the first: see `indian_torch._step.family.Entries`. An implementation may keep a multiple of the buffer, which
makes a step cheaper. The state of INDIAN then has ``scaled_velocity``, c·m, and ``multiple``, c, and its ``velocity``
is None: see `indian_core.scaled_velocity`. That key stays, since distributed checkpoints look up a saved state by the
keys of the state in memory.

A dictionary keeps its keys and their meaning. A state of another form is a new dictionary of new tensors.

A ``step`` on the host is never changed in place: each step of the optimizer puts another tensor in its place, which all
parameters that have taken as many steps share. For many small parameters this takes a fifth less time than a tensor of
its own for each. With ``capturable`` a ``step`` on another device belongs to one parameter and is changed in place, as
a CUDA graph demands.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor

from indian_torch._step.family import Entries, Mode
from indian_torch._tensors.comparison import copied

__all__ = [
    "Form",
    "State",
    "StateTensors",
    "advance_steps",
    "advance_steps_unread",
    "all_conform",
    "buffer_of",
    "conforms",
    "form_of",
    "has_dtype_of_its_own",
    "in_form",
    "lists_of",
    "loaded",
    "new_state",
    "read_steps",
    "saved",
    "saved_otherwise",
    "scaled",
    "tensors_of",
]

State: TypeAlias = dict[str, Any]

_HOST = torch.device("cpu")


class Form(NamedTuple):
    """What the state of a parameter is to hold.

    Attributes:
        entries: The keys of the state.
        is_scaled: Whether it is a multiple of the buffer.
        multiple: The multiple that a state starts with; 1 for the buffer itself.
        buffer_dtype: Of the buffer or its multiple.
        accumulator_dtype: Of the accumulator; None without a norm.
        step_device: Where the count of steps is.
    """

    entries: Entries
    is_scaled: bool
    multiple: float
    buffer_dtype: torch.dtype
    accumulator_dtype: torch.dtype | None
    step_device: torch.device


def scaled(entries: Entries) -> str:
    """The key of a multiple of the buffer."""
    return f"scaled_{entries.buffer}"


def saved_otherwise(entries: Entries) -> tuple[str, str, str]:
    """The keys that the buffer may have in a state; a saved state has the first."""
    return entries.buffer, scaled(entries), "multiple"


def _buffer_key(form: Form) -> str:
    """The key of the buffer or its multiple. No property: up to PyTorch 2.8, no compiler traces one of a tuple."""
    return scaled(form.entries) if form.is_scaled else form.entries.buffer


def form_of(entries: Entries, mode: Mode, device: torch.device, dtype: torch.dtype, *, multiple: float | None) -> Form:
    """The form that the state of a parameter of this device and dtype is to have.

    Args:
        entries: Of the family.
        mode: Of the group.
        device: Of the parameter.
        dtype: Of the parameter.
        multiple: The multiple of the buffer to start with; None for the buffer itself.
    """
    is_scaled = multiple is not None
    return Form(entries, is_scaled, multiple or 1.0, *_dtypes(mode, dtype), _step_device(mode, device))


def _dtypes(mode: Mode, dtype: torch.dtype) -> tuple[torch.dtype, torch.dtype | None]:
    """The dtypes of buffer and accumulator beside a parameter of this dtype; None without a norm."""
    buffer, accumulator = mode.buffer_dtype, mode.accumulator_dtype
    buffer = dtype if buffer is None or dtype.is_complex else buffer
    accumulator = dtype if accumulator is None or dtype.is_complex else accumulator
    return buffer, None if mode.norm is None else accumulator


def has_dtype_of_its_own(mode: Mode, dtype: torch.dtype) -> bool:
    """Whether a tensor of the state has another dtype than the parameter."""
    return any(own is not None and own != dtype for own in _dtypes(mode, dtype))


def conforms(state: State, form: Form) -> bool:
    """Whether a state has this form."""
    buffer, accumulator = state.get(_buffer_key(form)), state.get(form.entries.accumulator)
    return (
        buffer is not None
        and buffer.dtype == form.buffer_dtype
        and (
            form.accumulator_dtype is None or (accumulator is not None and accumulator.dtype == form.accumulator_dtype)
        )
        and (not form.entries.has_step or state["step"].device == form.step_device)
    )


class StateTensors(NamedTuple):
    """The tensors in the states of several parameters.

    Attributes:
        is_scaled: Whether the buffers are multiples; None if only some are.
        buffers: The buffers or their multiples.
        accumulators: The accumulators; None without a norm.
        steps: The counts of steps; empty for a family that does not count.
        share_step: Whether all counts are known to be one and the same tensor.
    """

    is_scaled: bool | None
    buffers: list[Tensor]
    accumulators: list[Tensor] | None
    steps: list[Tensor]
    share_step: bool


def tensors_of(entries: Entries, states: Sequence[State | None], *, has_norm: bool) -> StateTensors | None:
    """The tensors in states; None if a state is empty or lacks one."""
    if not all(states):
        return None
    own: Sequence[Any] = states
    are_scaled = {"multiple" in state for state in own}
    key, scaled_key = entries.buffer, scaled(entries)
    try:
        steps = [state["step"] for state in own] if entries.has_step else []
        return StateTensors(
            are_scaled.pop() if len(are_scaled) == 1 else None,
            [state[scaled_key if "multiple" in state else key] for state in own],
            [state[entries.accumulator] for state in own] if has_norm else None,
            steps,
            # Up to PyTorch 2.8, the compiler would hold on to a count whose id it has traced.
            not torch.compiler.is_compiling() and len(set(map(id, steps))) == 1,
        )
    except KeyError:
        return None


def lists_of(tensors: StateTensors) -> list[list[Tensor]]:
    """The buffers and, in a norm, the accumulators."""
    return [tensors.buffers] if tensors.accumulators is None else [tensors.buffers, tensors.accumulators]


def all_conform(tensors: StateTensors, form: Form) -> bool:
    """Whether all states have this form: a faster way than to ask for each."""
    steps = tensors.steps[:1] if tensors.share_step else tensors.steps
    return (
        tensors.is_scaled == form.is_scaled
        and {buffer.dtype for buffer in tensors.buffers} == {form.buffer_dtype}
        and {accumulator.dtype for accumulator in tensors.accumulators or ()} <= {form.accumulator_dtype}
        and {step.device for step in steps} <= {form.step_device}
    )


def read_steps(tensors: StateTensors) -> list[float]:
    """The steps taken, from counters on the host."""
    steps = tensors.steps
    return [steps[0].item()] * len(steps) if tensors.share_step else [step.item() for step in steps]


def advance_steps(states: list[State], tensors: StateTensors, taken: list[float]) -> None:
    """Count one step more; states that have taken equally many share their new counter.

    Args:
        states: To be updated.
        tensors: Of these states, with counters on the host.
        taken: What `read_steps` returned for these.
    """
    steps = tensors.steps
    if tensors.share_step:
        after = [steps[0] + 1] * len(steps)
    else:
        by_value = {(value, step.dtype): step for value, step in zip(taken, steps, strict=True)}
        by_value = {key: step + 1 for key, step in by_value.items()}
        after = [by_value[value, step.dtype] for value, step in zip(taken, steps, strict=True)]
    for state, step in zip(states, after, strict=True):
        state["step"] = step


def advance_steps_unread(states: list[State]) -> None:
    """Count one step more, on counts that the host must not read; states that share a count still do afterwards."""
    shared = states[0]["step"]
    after = shared + 1 if shared.device == _HOST else None
    for state in states:
        if state["step"].device != _HOST:
            state["step"] += 1
        else:
            state["step"] = after if state["step"] is shared else state["step"] + 1


def new_state(param: Tensor, form: Form) -> State:
    """The state before the first step: no steps, nothing in the buffer, no gradient taken in."""

    def zeros(dtype: torch.dtype) -> Tensor:
        return torch.zeros_like(param, dtype=dtype, memory_format=torch.preserve_format)

    state: State = {"step": _step_tensor(0, form.step_device)} if form.entries.has_step else {}
    state[_buffer_key(form)] = zeros(form.buffer_dtype)
    if form.is_scaled:
        state |= {"multiple": form.multiple, form.entries.buffer: None}
    if form.accumulator_dtype is not None:
        state[form.entries.accumulator] = zeros(form.accumulator_dtype)
    return state


def in_form(state: State, form: Form) -> State:
    """A state of this form with the values of ``state``: itself, or one that shares no tensor with it."""
    if conforms(state, form):
        return state
    entries = form.entries
    found = saved(entries, state)
    if entries.has_step:
        found["step"] = found["step"].to(form.step_device)
    buffer = found.pop(entries.buffer).to(form.buffer_dtype)
    found[_buffer_key(form)] = buffer.mul_(form.multiple) if form.is_scaled else buffer
    if form.is_scaled:
        found |= {"multiple": form.multiple, entries.buffer: None}
    if form.accumulator_dtype is not None:
        found[entries.accumulator] = found[entries.accumulator].to(form.accumulator_dtype)
    return found


def buffer_of(entries: Entries, state: State) -> Tensor:
    """The buffer itself, a new tensor."""
    if "multiple" in state:
        return (state[scaled(entries)] / state["multiple"]).detach()
    return state[entries.buffer].detach().clone()


def saved(entries: Entries, state: State) -> State:
    """A copy with the buffer itself, the same whichever implementation takes the steps; it shares no tensor."""
    others = {key: copied(value) for key, value in state.items() if key not in saved_otherwise(entries)}
    return others | {entries.buffer: buffer_of(entries, state)}


def loaded(entries: Entries, state: State, param: Tensor, mode: Mode) -> State:
    """The entries of a parameter's state from one that `saved` returned; they share no tensor with it.

    Args:
        entries: Of the family.
        state: The buffer, ``step``, which may be a number, and with a norm the accumulator.
        param: The parameter.
        mode: Of its group.
    """
    found = {"step": _step_tensor(state["step"], _step_device(mode, param.device))} if entries.has_step else {}
    for key, dtype in zip((entries.buffer, entries.accumulator), _dtypes(mode, param.dtype), strict=True):
        if dtype is not None:
            found[key] = state[key].detach().to(param.device, dtype, copy=True)
    return found


def _step_device(mode: Mode, device: torch.device) -> torch.device:
    """Where the count of steps is: on the host, unless the host must not read it."""
    return device if mode.capturable else _HOST


def _step_tensor(step: Any, device: torch.device) -> Tensor:
    """A count of steps, from a number or another count."""
    if isinstance(step, Tensor):
        return step.detach().to(device, copy=True)
    # As in PyTorch's own optimizers.
    dtype = torch.float64 if torch.get_default_dtype() == torch.float64 else torch.float32
    return torch.tensor(float(step), dtype=dtype, device=device)
