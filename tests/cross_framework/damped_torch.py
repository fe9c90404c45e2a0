"""Runs of the damped optimizers in PyTorch, and of PyTorch's own, an oracle of the damped ones."""

from typing import Any

import numpy as np
import torch
from torch.optim import Optimizer

from indian_torch import DampedAdamW, DampedSGD
from tests.cross_framework.damped_cases import NORM_DECAY, NORM_EPSILON, DampedCase, flat

torch.set_num_threads(1)


_FLAGS = {
    "foreach": {"foreach": True},
    "fused": {"fused": True},
    "for loop": {"foreach": False},
    "capturable": {"capturable": True},
}


def run(case: DampedCase, variant: str) -> np.ndarray:
    """θ after each step, by the implementation that the variant names."""
    parameters = [torch.tensor(array) for array in case.start()]
    if case.order is not None:
        groups = _groups(case, parameters)
        options = {"damping": case.damping, "order": case.order, **_FLAGS[variant]}
        return _walk(case, parameters, DampedAdamW(groups, 0.1, (case.momentum, NORM_DECAY), NORM_EPSILON, **options))
    # SGD has no such flag, and a weight decay of another kind.
    flags = {} if variant == "capturable" else _FLAGS[variant]
    return _walk(case, parameters, DampedSGD(parameters, 0.1, case.momentum, damping=case.damping, **flags))


def run_own(case: DampedCase) -> np.ndarray:
    """θ after each step of `torch.optim.AdamW` or `torch.optim.SGD`, where the case is one of theirs."""
    parameters = [torch.tensor(array) for array in case.start()]
    if case.order is None:
        own = torch.optim.SGD(parameters, 0.1, case.momentum, nesterov=case.is_nesterov)
        return _walk(case, parameters, own)
    groups = _groups(case, parameters)
    return _walk(case, parameters, torch.optim.AdamW(groups, 0.1, (case.momentum, NORM_DECAY), NORM_EPSILON))


def _groups(case: DampedCase, parameters: list[torch.Tensor]) -> list[dict[str, Any]]:
    decays = zip(parameters, (case.weight_decay, 0.0), strict=True)
    return [{"params": [parameter], "weight_decay": decay} for parameter, decay in decays]


def _walk(case: DampedCase, parameters: list[torch.Tensor], optimizer: Optimizer) -> np.ndarray:
    thetas = []
    for k, rate in enumerate(case.rates()):
        for group in optimizer.param_groups:
            group["lr"] = rate
        gradients = case.gradient([p.numpy() for p in parameters], k)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = torch.as_tensor(gradient)
        if case.order is None:
            parameters[0].mul_(1 - rate * case.weight_decay)
        optimizer.step()
        thetas.append(flat([p.numpy() for p in parameters]))
    return np.stack(thetas)
