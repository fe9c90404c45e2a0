"""torch.optim.swa_utils: averages of the iterates beside the training, and training from an average."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.optim.swa_utils import SWALR, AveragedModel, get_ema_multi_avg_fn, update_bn

from indian_torch import INDIAN
from tests.torch.ecosystem.regression import (
    HYPERPARAMETERS,
    assert_close_parameters,
    loader,
    loss_of,
    network,
    optimizer_and_scheduler,
    trained,
)
from tests.torch.implementations import each_implementation

DECAY = 0.75

AVERAGES: dict[str, tuple[dict[str, Any], Callable[[torch.Tensor], torch.Tensor]]] = {
    "SWA": ({}, lambda iterates: iterates.mean(0)),
    "EMA": (
        {"multi_avg_fn": get_ema_multi_avg_fn(DECAY)},
        lambda iterates: sum(
            (DECAY ** (len(iterates) - 1 - k) * (1 if k == 0 else 1 - DECAY) * iterate)
            for k, iterate in enumerate(iterates)
        ),
    ),
}


@each_implementation
@pytest.mark.parametrize(("arguments", "average"), AVERAGES.values(), ids=AVERAGES)
def test_average_of_the_iterates_leaves_the_training_alone(
    flags: dict[str, bool], arguments: dict[str, Any], average: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    model = network()
    optimizer, scheduler = optimizer_and_scheduler(model.parameters(), flags)
    averaged = AveragedModel(model, **arguments)
    iterates = []
    for batch in loader():
        loss_of(model, batch).backward()
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()
        averaged.update_parameters(model)
        iterates.append([param.detach().clone() for param in model.parameters()])
    for param, steps in zip(averaged.module.parameters(), zip(*iterates, strict=True), strict=True):
        torch.testing.assert_close(param.detach(), average(torch.stack(steps)))
    assert_close_parameters(model, trained(flags, 1), 1e-12)


@each_implementation
def test_training_goes_on_from_an_average(flags: dict[str, bool]) -> None:
    """The velocity knows nothing of where the parameters are: from anywhere else the next steps are as long."""
    model = network()
    optimizer = INDIAN(model.parameters(), lr=0.1, alpha=0.5, beta=0.3, **flags)
    averaged = AveragedModel(model, avg_fn=lambda average, current, number: (average + current) / 2)
    for _ in range(4):
        optimizer.zero_grad()
        model(torch.ones(1, 3, dtype=torch.float64)).square().sum().backward()
        optimizer.step()
        averaged.update_parameters(model)
    moved = copy.deepcopy(averaged.module)
    other = INDIAN(moved.parameters(), **flags)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for k in range(3):
        before = [param.detach().clone() for network in (model, moved) for param in network.parameters()]
        for param, same in zip(model.parameters(), moved.parameters(), strict=True):
            param.grad = same.grad = torch.full_like(param, k - 1.0)
        optimizer.step()
        other.step()
        after = [param.detach() for network in (model, moved) for param in network.parameters()]
        steps = [new - old for new, old in zip(after, before, strict=True)]
        for left, right in zip(steps[:4], steps[4:], strict=True):
            torch.testing.assert_close(left, right, rtol=0, atol=1e-14)
        assert not torch.equal(before[0], before[4])


@each_implementation
def test_stochastic_weight_averaging_from_start_to_end(flags: dict[str, bool]) -> None:
    """The recipe of torch.optim.swa_utils: its scheduler, the average, and batch statistics of the average."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 1)).double()
    optimizer = INDIAN(model.parameters(), **HYPERPARAMETERS, **flags)
    scheduler = SWALR(optimizer, swa_lr=0.02, anneal_epochs=4)
    averaged = AveragedModel(model)
    losses = []
    for _ in range(20):
        for batch in loader():
            optimizer.zero_grad()
            loss_of(model, batch).backward()
            optimizer.step()
        scheduler.step()
        averaged.update_parameters(model)
        losses.append(sum(loss_of(model, batch).item() for batch in loader()))
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.02)
    update_bn(loader(), averaged)
    averaged.eval()
    assert sum(loss_of(averaged, batch).item() for batch in loader()) < losses[0] / 2
