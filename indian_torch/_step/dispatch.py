"""The step of a group: which implementation updates which tensors."""

from collections.abc import MutableMapping
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor

from indian_torch._step import fused, fused_adam, multi_tensor, single_tensor, traceable
from indian_torch._step.family import Mode
from indian_torch._step.gather import Gathered
from indian_torch._step.grouping import Choices, Members, grouped
from indian_torch._step.implementation import Implementation
from indian_torch._step.state import (
    Form,
    State,
    advance_steps,
    all_conform,
    form_of,
    in_form,
    new_state,
    read_steps,
    tensors_of,
)
from indian_torch._tensors.writable import outside_inference_mode

__all__ = ["IMPLEMENTATIONS", "Ready", "prepare", "step_group"]

IMPLEMENTATIONS: Final[tuple[Implementation, ...]] = (fused_adam, fused, multi_tensor, single_tensor)
"""The implementations whose coefficients are Python numbers, best first; the last one supports everything."""


class Ready(NamedTuple):
    """A part of a parameter group, with all that its step changes.

    Attributes:
        gathered: The part.
        states: Of its parameters, of the form that the step needs; new ones do not belong to the optimizer yet.
        may_have_new_states: Whether some may be new.
        choices: The implementations that support the parameters; None if the host must not read the coefficients.
    """

    gathered: Gathered
    states: list[State]
    may_have_new_states: bool
    choices: Choices | None


def prepare(gathered: Gathered) -> Ready:
    """Create missing states and convert others. Stores nothing: if memory runs out, the optimizer is unchanged."""
    family, _, mode, params, _, before, of_states, kinds, _, coefficients = gathered
    own: list[Any] = before
    if not params:
        return Ready(gathered, [], False, None)
    if mode.is_traced:
        forms = [form_of(family.ENTRIES, mode, param.device, param.dtype, multiple=None) for param in params]
        return Ready(gathered, _states_in_form(gathered, forms), True, None)
    assert coefficients is not None
    choices = {key: _supporting(mode, *key) for key in kinds}
    # Those of any later step tell which form a state has.
    later = coefficients(2)
    forms_by_kind = {
        key: form_of(family.ENTRIES, mode, *key, multiple=implementations[0].buffer_multiple(later))
        for key, implementations in choices.items()
    }
    if of_states is not None and len(forms_by_kind) == 1 and all_conform(of_states, *forms_by_kind.values()):
        return Ready(gathered, own, False, choices)
    forms = [forms_by_kind[param.device, param.dtype] for param in params]
    return Ready(gathered, _states_in_form(gathered, forms), True, choices)


def step_group(ready: Ready, states: MutableMapping[Tensor, State], grad_scale: Tensor | None = None) -> None:
    """Take one step of the parameters of a group that have a gradient.

    Args:
        ready: From `prepare`; the parameters are updated in place.
        states: The states of all parameters of the optimizer, updated in place; takes the new ones in.
        grad_scale: The factor that the gradients contain; they are divided by it in place.
    """
    gathered, own, may_have_new_states, choices = ready
    if not gathered.params:
        return
    if choices is None:
        are_new = [not state for state in gathered.states]
        traceable.update(
            gathered.family, gathered.settings, gathered.mode, gathered.params, gathered.grads, own, are_new, grad_scale
        )
    else:
        _step_with_numbers(ready, choices, grad_scale)
    if may_have_new_states:
        # Only now: a first step that an error ends is still the first.
        states.update(zip(gathered.params, own, strict=True))


def _step_with_numbers(ready: Ready, choices: Choices, grad_scale: Tensor | None) -> None:
    own = ready.states
    family, settings, mode, params, grads, before, of_states, _, layout, coefficients = ready.gathered
    entries = family.ENTRIES
    if ready.may_have_new_states:
        of_states, layout = tensors_of(entries, own, has_norm=mode.norm is not None), None
    assert of_states is not None
    assert coefficients is not None
    taken = read_steps(of_states) if entries.has_step else [1.0 if state else 0.0 for state in before]
    members = Members(params, grads, own, of_states, layout, _counts(mode, taken), mode.starts_apart)
    for kind, (batch, of_batch) in grouped(members, coefficients, choices).items():
        norm = family.norm_step(settings, kind.count)
        next_multiple = kind.implementation.update(batch, coefficients(kind.count), norm, grad_scale)
        if next_multiple != kind.multiple:
            for state in of_batch:
                state["multiple"] = next_multiple
    if entries.has_step:
        advance_steps(own, of_states, taken)


def _supporting(mode: Mode, device: torch.device, dtype: torch.dtype) -> tuple[Implementation, ...]:
    """The implementations for parameters of a device and dtype, best first."""
    return tuple(each for each in IMPLEMENTATIONS if each.supports(mode, device, dtype))


def _states_in_form(gathered: Gathered, forms: list[Form]) -> list[State]:
    """The states of the gathered parameters; new ones where there is none, or one of another form."""
    found: dict[Tensor, State] = {}
    with outside_inference_mode():
        for param, state, form in zip(gathered.params, gathered.states, forms, strict=True):
            # A parameter may be twice in its group.
            if param not in found:
                found[param] = new_state(param, form) if not state else in_form(state, form)
    return [found[param] for param in gathered.params]


def _counts(mode: Mode, taken: list[float]) -> list[int]:
    """The counts of this step, from the steps taken; 2 for all steps for which the count makes no difference."""
    if mode.depends_on_count:
        return [int(steps) + 1 for steps in taken]
    return [1 if mode.starts_apart and not steps else 2 for steps in taken]
