"""The step of a group: which implementation updates which tensors."""

from collections.abc import MutableMapping
from typing import Any, Final

import torch
from torch import Tensor

from indian_core.norms import NORMS
from indian_torch._step import fused, multi_tensor, single_tensor, traceable
from indian_torch._step.coefficients import norm_step
from indian_torch._step.gather import Gathered
from indian_torch._step.grouping import Members, grouped
from indian_torch._step.implementation import Implementation
from indian_torch._step.settings import Settings
from indian_torch._step.state import (
    Form,
    State,
    advance_steps,
    all_conform,
    buffers_of,
    conforms,
    form_of,
    in_form,
    new_state,
    read_steps,
)

__all__ = ["IMPLEMENTATIONS", "step_group"]

IMPLEMENTATIONS: Final[tuple[Implementation, ...]] = (fused, multi_tensor, single_tensor)
"""The implementations whose coefficients are Python numbers, best first; the last one supports everything."""


def step_group(gathered: Gathered, states: MutableMapping[Tensor, State], grad_scale: Tensor | None = None) -> None:
    """Take one step of the parameters of a group that have a gradient.

    Args:
        gathered: From `indian_torch._step.gather.gather`; the parameters are updated in place.
        states: The states of all parameters of the optimizer, updated in place. A state of another form than the
            step needs is replaced.
        grad_scale: The factor that the gradients contain; they are divided by it in place.
    """
    settings, params, grads = gathered.settings, gathered.params, gathered.grads
    if not params:
        return
    # torch.compile sets capturable while it traces.
    if settings.differentiable or settings.capturable:
        forms = [form_of(settings, param.device, param.dtype, scale=None) for param in params]
        traceable.update(settings, params, grads, _states_in_form(gathered, forms, states), grad_scale)
    else:
        _step_with_numbers(gathered, states, grad_scale)


def _step_with_numbers(gathered: Gathered, states: MutableMapping[Tensor, State], grad_scale: Tensor | None) -> None:
    settings, params, grads, states_before, buffers, kinds, layout, coefficients = gathered
    assert coefficients is not None
    choices = {key: _supporting(settings, *key) for key in kinds}
    forms = {
        key: form_of(settings, *key, scale=implementations[0].velocity_scale(coefficients))
        for key, implementations in choices.items()
    }
    own: list[Any] = states_before
    if buffers is None or len(forms) > 1 or not all_conform(buffers, *forms.values()):
        own = _states_in_form(gathered, [forms[param.device, param.dtype] for param in params], states)
        buffers, layout = buffers_of(own, has_norm=settings.norm is not None), None
        assert buffers is not None
    numbers = read_steps(buffers)
    members = Members(params, grads, own, buffers, layout, _counts(settings, numbers))
    for kind, (batch, of_batch) in grouped(members, coefficients, choices).items():
        norm = norm_step(settings, kind.count)
        next_scale = kind.implementation.update(batch, coefficients, norm, grad_scale)
        if next_scale != kind.scale:
            for state in of_batch:
                state["scale"] = next_scale
    advance_steps(own, buffers, numbers)


def _supporting(settings: Settings, device: torch.device, dtype: torch.dtype) -> tuple[Implementation, ...]:
    """The implementations for parameters of a device and dtype, best first."""
    return tuple(each for each in IMPLEMENTATIONS if each.supports(settings, device, dtype))


def _states_in_form(gathered: Gathered, forms: list[Form], states: MutableMapping[Tensor, State]) -> list[State]:
    """The states of the gathered parameters; one that is empty or of another form is replaced first."""
    found = []
    for param, state, form in zip(gathered.params, gathered.states, forms, strict=True):
        if not state:
            # A parameter that is twice in its group has a state by now.
            states[param] = state = states.get(param) or new_state(param, form)
        elif not conforms(state, form):
            states[param] = state = in_form(state, form)
        found.append(state)
    return found


def _counts(settings: Settings, numbers: list[float]) -> list[int]:
    """The numbers of this step; 2 for all later steps if the norm does not depend on the number."""
    if settings.norm is not None and NORMS[settings.norm].depends_on_count:
        return [int(number) + 1 for number in numbers]
    return [2 if number else 1 for number in numbers]
