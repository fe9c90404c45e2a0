"""The network in PyTorch."""

import torch
from torch.nn import functional

from indian_torch import INDIAN
from tests.cross_framework.cases import Run
from tests.cross_framework.network import NetworkCase, batch, flatten, initial_parameters, run_of
from tests.cross_framework.run_torch import VARIANTS, lr_scheduler


def train(case: NetworkCase, variant: str) -> Run:
    """Train the network."""
    parameters = [torch.tensor(array, requires_grad=True) for array in initial_parameters()]
    optimizer = INDIAN(parameters, case.schedule.initial, **case.hyperparameters._asdict(), **VARIANTS[variant])
    scheduler = lr_scheduler(case.schedule, optimizer)
    thetas, velocities = [], []
    for k in range(case.steps):
        inputs, classes = (torch.from_numpy(array) for array in batch(k))
        kernel, bias, last_kernel, last_bias = parameters
        logits = functional.relu(inputs @ kernel + bias) @ last_kernel + last_bias
        optimizer.zero_grad()
        functional.cross_entropy(logits, classes).backward()
        optimizer.step()
        if scheduler:
            scheduler.step()
        thetas.append(flatten([p.detach().numpy() for p in parameters]))
        velocities.append(flatten([optimizer.velocity(p).numpy() for p in parameters]))
    return run_of(case, thetas, velocities)
