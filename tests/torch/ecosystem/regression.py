"""A small regression problem, and the plain training loop that every library is compared with."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from indian_torch import INDIAN, PowerDecayLR

HYPERPARAMETERS: dict[str, float] = {"lr": 0.1, "alpha": 0.5, "beta": 0.3, "weight_decay": 0.1}


def network(dtype: torch.dtype = torch.float64) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).to(dtype)


def loader(dtype: torch.dtype = torch.float64) -> DataLoader[tuple[Tensor, ...]]:
    """Four batches, always in the same order."""
    inputs = torch.linspace(-1, 1, 48, dtype=dtype).sin().reshape(16, 3)
    return DataLoader(TensorDataset(inputs, inputs.prod(1, keepdim=True)), batch_size=4)


def loss_of(model: Any, batch: Iterable[Tensor]) -> Tensor:
    inputs, targets = batch
    return (model(inputs) - targets).square().mean()


def optimizer_and_scheduler(params: Iterable[Tensor], flags: dict[str, bool]) -> tuple[INDIAN, PowerDecayLR]:
    optimizer = INDIAN(params, **HYPERPARAMETERS, **flags)
    return optimizer, PowerDecayLR(optimizer, 0.25)


def trained(
    flags: dict[str, bool], epochs: int, batches_per_step: int = 1, dtype: torch.dtype = torch.float64
) -> nn.Module:
    """The network after training with PyTorch alone."""
    model = network(dtype)
    optimizer, scheduler = optimizer_and_scheduler(model.parameters(), flags)
    for _ in range(epochs):
        for k, batch in enumerate(loader(dtype)):
            (loss_of(model, batch) / batches_per_step).backward()
            if (k + 1) % batches_per_step == 0:
                optimizer.step()
                scheduler.step()
                optimizer.zero_grad()
    return model


def assert_close_parameters(actual: nn.Module, expected: nn.Module, tolerance: float) -> None:
    """With ``fused``, saving turns multiples into velocities, which rounds them: bits may differ after a resumption."""
    for param, other in zip(actual.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(param, other, rtol=tolerance, atol=tolerance)
