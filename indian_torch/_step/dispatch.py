"""The step of a group: which implementation updates which tensors."""

from collections.abc import MutableMapping
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor

from indian_core.norms import NORMS
from indian_torch._step import fused, multi_tensor, single_tensor, traceable
from indian_torch._step.coefficients import norm_step
from indian_torch._step.gather import Gathered
from indian_torch._step.grouping import Choices, Members, grouped
from indian_torch._step.implementation import Implementation
from indian_torch._step.settings import Settings
from indian_torch._step.state import (
    Form,
    State,
    advance_steps,
    all_conform,
    buffers_of,
    form_of,
    in_form,
    new_state,
    read_steps,
)
from indian_torch._tensors.writable import outside_inference_mode

__all__ = ["IMPLEMENTATIONS", "Ready", "prepare", "step_group"]

IMPLEMENTATIONS: Final[tuple[Implementation, ...]] = (fused, multi_tensor, single_tensor)
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
    settings, params, _, before, buffers, kinds, _, coefficients = gathered
    own: list[Any] = before
    if not params:
        return Ready(gathered, [], False, None)
    # torch.compile sets capturable while it traces.
    if settings.differentiable or settings.capturable:
        forms = [form_of(settings, param.device, param.dtype, multiple=None) for param in params]
        return Ready(gathered, _states_in_form(gathered, forms), True, None)
    assert coefficients is not None
    choices = {key: _supporting(settings, *key) for key in kinds}
    forms_by_kind = {
        key: form_of(settings, *key, multiple=implementations[0].velocity_multiple(coefficients))
        for key, implementations in choices.items()
    }
    if buffers is not None and len(forms_by_kind) == 1 and all_conform(buffers, *forms_by_kind.values()):
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
    if may_have_new_states:
        states.update(zip(gathered.params, own, strict=True))
    if choices is None:
        traceable.update(gathered.settings, gathered.params, gathered.grads, own, grad_scale)
    else:
        _step_with_numbers(ready, choices, grad_scale)


def _step_with_numbers(ready: Ready, choices: Choices, grad_scale: Tensor | None) -> None:
    own = ready.states
    settings, params, grads, _, buffers, _, layout, coefficients = ready.gathered
    if ready.may_have_new_states:
        buffers, layout = buffers_of(own, has_norm=settings.norm is not None), None
    assert buffers is not None
    assert coefficients is not None
    numbers = read_steps(buffers)
    members = Members(params, grads, own, buffers, layout, _counts(settings, numbers))
    for kind, (batch, of_batch) in grouped(members, coefficients, choices).items():
        norm = norm_step(settings, kind.count)
        next_multiple = kind.implementation.update(batch, coefficients, norm, grad_scale)
        if next_multiple != kind.multiple:
            for state in of_batch:
                state["multiple"] = next_multiple
    advance_steps(own, buffers, numbers)


def _supporting(settings: Settings, device: torch.device, dtype: torch.dtype) -> tuple[Implementation, ...]:
    """The implementations for parameters of a device and dtype, best first."""
    return tuple(each for each in IMPLEMENTATIONS if each.supports(settings, device, dtype))


def _states_in_form(gathered: Gathered, forms: list[Form]) -> list[State]:
    """The states of the gathered parameters; new ones where there is none, or one of another form."""
    found: dict[Tensor, State] = {}
    with outside_inference_mode():
        for param, state, form in zip(gathered.params, gathered.states, forms, strict=True):
            # A parameter may be twice in its group.
            if param not in found:
                found[param] = new_state(param, form) if not state else in_form(state, form)
    return [found[param] for param in gathered.params]


def _counts(settings: Settings, numbers: list[float]) -> list[int]:
    """The numbers of this step; 2 for all later steps if the norm does not depend on the number."""
    if settings.norm is not None and NORMS[settings.norm].depends_on_count:
        return [int(number) + 1 for number in numbers]
    return [2 if number else 1 for number in numbers]
