"""Runs of PyTorch's own optimizers, an oracle of the damped ones."""

import numpy as np
import torch

from tests.cross_framework.damped_cases import NORM_DECAY, NORM_EPSILON, DampedCase, flat

torch.set_num_threads(1)


def run_own(case: DampedCase) -> np.ndarray:
    """θ after each step of `torch.optim.AdamW` or `torch.optim.SGD`, where the case is one of theirs."""
    parameters = [torch.tensor(array) for array in case.start()]
    decays = zip(parameters, (case.weight_decay, 0.0), strict=True)
    groups = [{"params": [p], "weight_decay": decay} for p, decay in decays]
    if case.order is None:
        optimizer = torch.optim.SGD(groups, 0.1, case.momentum, nesterov=case.is_nesterov)
    else:
        optimizer = torch.optim.AdamW(groups, 0.1, (case.momentum, NORM_DECAY), NORM_EPSILON)
    thetas = []
    for k, rate in enumerate(case.rates()):
        for group in optimizer.param_groups:
            group["lr"] = rate
        gradients = case.gradient([p.numpy() for p in parameters], k)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = torch.as_tensor(gradient)
        optimizer.step()
        thetas.append(flat([p.numpy() for p in parameters]))
    return np.stack(thetas)
