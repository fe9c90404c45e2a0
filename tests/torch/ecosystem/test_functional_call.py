"""Training without modules that hold parameters: torch.func.functional_call, grad and vmap."""

import pytest
import torch
from torch import Tensor
from torch.func import functional_call, grad, stack_module_state, vmap

from indian_torch import INDIAN
from tests.torch.ecosystem.regression import (
    loader,
    loss_of,
    network,
    optimizer_and_scheduler,
    trained,
)
from tests.torch.implementations import each_implementation

MEMBERS = 3


@each_implementation
@pytest.mark.parametrize("transform", [False, True], ids=["backward", "func_grad"])
def test_parameters_in_a_dictionary_take_the_steps_of_a_plain_loop(flags: dict[str, bool], transform: bool) -> None:
    model = network()
    params = {name: param.detach().clone().requires_grad_() for name, param in model.named_parameters()}
    model.to("meta")
    optimizer, scheduler = optimizer_and_scheduler(params.values(), flags)

    def loss(params: dict[str, Tensor], batch: list[Tensor]) -> Tensor:
        return loss_of(lambda inputs: functional_call(model, params, inputs), batch)

    for batch in loader():
        if transform:
            gradients = grad(loss)(params, batch)
            for name, param in params.items():
                param.grad = gradients[name]
        else:
            optimizer.zero_grad()
            loss(params, batch).backward()
        optimizer.step()
        scheduler.step()
    for param, expected in zip(params.values(), trained(flags, 1).parameters(), strict=True):
        torch.testing.assert_close(param, expected)


@each_implementation
def test_stacked_ensemble_takes_the_steps_of_its_members(flags: dict[str, bool]) -> None:
    """The method works element by element, so that models stacked into one do not see each other."""
    models = [network() for _ in range(MEMBERS)]
    with torch.no_grad():
        for k, model in enumerate(models):
            for param in model.parameters():
                param.mul_(k + 1)
    stacked, _ = stack_module_state(models)
    skeleton = network().to("meta")

    def loss(params: dict[str, Tensor], batch: list[Tensor]) -> Tensor:
        return loss_of(lambda inputs: functional_call(skeleton, params, inputs), batch)

    together = INDIAN(stacked.values(), lr=0.1, weight_decay=0.1, **flags)
    alone = [INDIAN(model.parameters(), lr=0.1, weight_decay=0.1, **flags) for model in models]
    for batch in loader():
        gradients = vmap(grad(loss), in_dims=(0, None))(stacked, batch)
        for name, param in stacked.items():
            param.grad = gradients[name]
        together.step()
        for model, optimizer in zip(models, alone, strict=True):
            optimizer.zero_grad()
            loss_of(model, batch).backward()
            optimizer.step()
    for k, model in enumerate(models):
        for name, param in model.named_parameters():
            torch.testing.assert_close(stacked[name][k], param, rtol=0, atol=1e-14)
