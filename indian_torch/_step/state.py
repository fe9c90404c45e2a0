"""The state of a parameter: its form, how it is made, changed to another form, saved and loaded.

A state is a dictionary of ``step``, the number of steps taken, a tensor with no dimensions; ``velocity``, m; and in a
norm ``accumulator``, v. An implementation may keep a multiple of the velocity, which makes a step cheaper. The state
then has ``scaled_velocity``, c·m, and ``multiple``, c, and its ``velocity`` is None: see `indian_core.scaled_velocity`.
That key stays, since distributed checkpoints look up a saved state by the keys of the state in memory.

A dictionary keeps its keys and their meaning. A state of another form is a new dictionary of new tensors.

A ``step`` on the host is never changed in place: each step of the optimizer puts another tensor in its place, which all
parameters that have taken as many steps share. For many small parameters this takes a fifth less time than a tensor of
its own for each. With ``capturable`` a ``step`` on another device belongs to one parameter and is changed in place, as
a CUDA graph demands.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import torch
from torch import Tensor

from indian_torch._step.settings import Settings
from indian_torch._tensors.comparison import copied

__all__ = [
    "SAVED_OTHERWISE",
    "Buffers",
    "Form",
    "State",
    "advance_steps",
    "advance_steps_unread",
    "all_conform",
    "buffers_of",
    "conforms",
    "form_of",
    "has_dtype_of_its_own",
    "in_form",
    "lists_of",
    "loaded",
    "new_state",
    "read_steps",
    "saved",
    "velocity_of",
]

State: TypeAlias = dict[str, Any]

SAVED_OTHERWISE: Final = frozenset({"velocity", "scaled_velocity", "multiple"})
"""The keys that the velocity may have in a state; a saved state has the first."""

_HOST = torch.device("cpu")


class Form(NamedTuple):
    """What the state of a parameter is to hold.

    Attributes:
        is_scaled: Whether it is a multiple of the velocity.
        multiple: The multiple that a state starts with; 1 for the velocity itself.
        velocity_dtype: Of the velocity or its multiple.
        accumulator_dtype: Of the accumulator; None without a norm.
        step_device: Where the count of steps is.
    """

    is_scaled: bool
    multiple: float
    velocity_dtype: torch.dtype
    accumulator_dtype: torch.dtype | None
    step_device: torch.device


def _velocity_key(form: Form) -> str:
    """The key of the velocity or its multiple. No property: up to PyTorch 2.8, no compiler traces one of a tuple."""
    return "scaled_velocity" if form.is_scaled else "velocity"


def form_of(settings: Settings, device: torch.device, dtype: torch.dtype, *, multiple: float | None) -> Form:
    """The form that the state of a parameter of this device and dtype is to have.

    Args:
        settings: Of the group.
        device: Of the parameter.
        dtype: Of the parameter.
        multiple: The multiple of the velocity to start with; None for the velocity itself.
    """
    is_scaled = multiple is not None
    return Form(is_scaled, multiple or 1.0, *_buffer_dtypes(settings, dtype), _step_device(settings, device))


def _buffer_dtypes(settings: Settings, dtype: torch.dtype) -> tuple[torch.dtype, torch.dtype | None]:
    """The dtypes of velocity and accumulator beside a parameter of this dtype; None without a norm."""
    velocity, accumulator = settings.velocity_dtype, settings.norm_dtype
    velocity = dtype if velocity is None or dtype.is_complex else velocity
    accumulator = dtype if accumulator is None or dtype.is_complex else accumulator
    return velocity, None if settings.norm is None else accumulator


def has_dtype_of_its_own(settings: Settings, dtype: torch.dtype) -> bool:
    """Whether a tensor of the state has another dtype than the parameter."""
    return any(own is not None and own != dtype for own in _buffer_dtypes(settings, dtype))


def conforms(state: State, form: Form) -> bool:
    """Whether a state has this form."""
    velocity, accumulator = state.get(_velocity_key(form)), state.get("accumulator")
    return (
        velocity is not None
        and velocity.dtype == form.velocity_dtype
        and (
            form.accumulator_dtype is None or (accumulator is not None and accumulator.dtype == form.accumulator_dtype)
        )
        and state["step"].device == form.step_device
    )


class Buffers(NamedTuple):
    """The tensors in the states of several parameters.

    Attributes:
        is_scaled: Whether the velocities are multiples; None if only some are.
        velocities: The velocities or their multiples.
        accumulators: The accumulators; None without a norm.
        steps: The counts of steps.
        share_step: Whether all counts are known to be one and the same tensor.
    """

    is_scaled: bool | None
    velocities: list[Tensor]
    accumulators: list[Tensor] | None
    steps: list[Tensor]
    share_step: bool


def buffers_of(states: Sequence[State | None], *, has_norm: bool) -> Buffers | None:
    """The tensors in states; None if a state is empty or lacks one."""
    if not all(states):
        return None
    own: Sequence[Any] = states
    are_scaled = {"multiple" in state for state in own}
    try:
        steps = [state["step"] for state in own]
        return Buffers(
            are_scaled.pop() if len(are_scaled) == 1 else None,
            [state["scaled_velocity" if "multiple" in state else "velocity"] for state in own],
            [state["accumulator"] for state in own] if has_norm else None,
            steps,
            # Up to PyTorch 2.8, the compiler would hold on to a count whose id it has traced.
            not torch.compiler.is_compiling() and len(set(map(id, steps))) == 1,
        )
    except KeyError:
        return None


def lists_of(buffers: Buffers) -> list[list[Tensor]]:
    """The velocities and, in a norm, the accumulators."""
    return [buffers.velocities] if buffers.accumulators is None else [buffers.velocities, buffers.accumulators]


def all_conform(buffers: Buffers, form: Form) -> bool:
    """Whether all states have this form: a faster way than to ask for each."""
    steps = buffers.steps[:1] if buffers.share_step else buffers.steps
    return (
        buffers.is_scaled == form.is_scaled
        and {velocity.dtype for velocity in buffers.velocities} == {form.velocity_dtype}
        and {accumulator.dtype for accumulator in buffers.accumulators or ()} <= {form.accumulator_dtype}
        and {step.device for step in steps} == {form.step_device}
    )


def read_steps(buffers: Buffers) -> list[float]:
    """The numbers of steps taken, from counts on the host."""
    steps = buffers.steps
    return [steps[0].item()] * len(steps) if buffers.share_step else [step.item() for step in steps]


def advance_steps(states: list[State], buffers: Buffers, numbers: list[float]) -> None:
    """Count one step more; states of equal numbers share their new count.

    Args:
        states: To be updated.
        buffers: Of these states, with counts on the host.
        numbers: What `read_steps` returned for these.
    """
    steps = buffers.steps
    if buffers.share_step:
        after = [steps[0] + 1] * len(steps)
    else:
        by_number = {(number, step.dtype): step for number, step in zip(numbers, steps, strict=True)}
        by_number = {key: step + 1 for key, step in by_number.items()}
        after = [by_number[number, step.dtype] for number, step in zip(numbers, steps, strict=True)]
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
    """The state before the first step: no steps, no velocity, no gradient taken in."""

    def zeros(dtype: torch.dtype) -> Tensor:
        return torch.zeros_like(param, dtype=dtype, memory_format=torch.preserve_format)

    state: State = {"step": _step_tensor(0, form.step_device), _velocity_key(form): zeros(form.velocity_dtype)}
    if form.is_scaled:
        state |= {"multiple": form.multiple, "velocity": None}
    if form.accumulator_dtype is not None:
        state["accumulator"] = zeros(form.accumulator_dtype)
    return state


def in_form(state: State, form: Form) -> State:
    """A state of this form with the values of ``state``: itself, or one that shares no tensor with it."""
    if conforms(state, form):
        return state
    found = saved(state)
    found["step"] = found["step"].to(form.step_device)
    velocity = found.pop("velocity").to(form.velocity_dtype)
    found[_velocity_key(form)] = velocity.mul_(form.multiple) if form.is_scaled else velocity
    if form.is_scaled:
        found |= {"multiple": form.multiple, "velocity": None}
    if form.accumulator_dtype is not None:
        found["accumulator"] = found["accumulator"].to(form.accumulator_dtype)
    return found


def velocity_of(state: State) -> Tensor:
    """The velocity, a new tensor."""
    if "multiple" in state:
        return (state["scaled_velocity"] / state["multiple"]).detach()
    return state["velocity"].detach().clone()


def saved(state: State) -> State:
    """A copy with the velocity itself, the same whichever implementation takes the steps; it shares no tensor."""
    others = {key: copied(value) for key, value in state.items() if key not in SAVED_OTHERWISE}
    return others | {"velocity": velocity_of(state)}


def loaded(state: State, param: Tensor, settings: Settings) -> State:
    """The entries of a parameter's state from one that `saved` returned; they share no tensor with it.

    Args:
        state: ``velocity``, ``step``, which may be a number, and with a norm ``accumulator``.
        param: The parameter.
        settings: Of its group.
    """
    found = {"step": _step_tensor(state["step"], _step_device(settings, param.device))}
    for key, dtype in zip(("velocity", "accumulator"), _buffer_dtypes(settings, param.dtype), strict=True):
        if dtype is not None:
            found[key] = state[key].detach().to(param.device, dtype, copy=True)
    return found


def _step_device(settings: Settings, device: torch.device) -> torch.device:
    """Where the count of steps is: on the host, unless the host must not read it."""
    return device if settings.capturable else _HOST


def _step_tensor(step: Any, device: torch.device) -> Tensor:
    """A count of steps, from a number or another count."""
    if isinstance(step, Tensor):
        return step.detach().to(device, copy=True)
    # As in PyTorch's own optimizers.
    dtype = torch.float64 if torch.get_default_dtype() == torch.float64 else torch.float32
    return torch.tensor(float(step), dtype=dtype, device=device)
