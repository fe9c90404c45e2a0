"""The trust region in PyTorch."""

import numpy as np
import torch

from indian_torch import TrustRegion
from tests.cross_framework.trust_region_cases import (
    CLASSES,
    INPUTS,
    PROBLEMS,
    TrustRegionCase,
    TrustRegionRun,
    run_of,
)

torch.set_num_threads(1)


def run(case: TrustRegionCase) -> TrustRegionRun:
    """Run a case."""
    parameters = [torch.tensor(array, requires_grad=True) for array in PROBLEMS[case.problem].start]
    optimizer = TrustRegion(parameters, **case.hyperparameters)
    returns_output = case.hyperparameters.get("curvature") == "gauss_newton"

    def closure():
        loss, output = _LOSSES[case.problem](parameters)
        return (loss, output) if returns_output else loss

    thetas, reports = [], []
    for _ in range(case.steps):
        optimizer.step(closure)
        thetas.append(np.concatenate([p.detach().numpy().ravel() for p in parameters]))
        reports.append(optimizer.report)
    return run_of(thetas, reports)


def _rosenbrock(parameters):
    (x,) = parameters
    return torch.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2), None


def _saddle(parameters):
    (w,) = parameters
    return w[0] ** 2 - w[1] ** 2 + w[1] ** 4, None


def _network(parameters):
    kernel, bias, last_kernel, last_bias = parameters
    logits = torch.tanh(torch.from_numpy(INPUTS) @ kernel + bias) @ last_kernel + last_bias
    return torch.nn.functional.cross_entropy(logits, torch.from_numpy(CLASSES)), logits


_LOSSES = {"Rosenbrock": _rosenbrock, "saddle": _saddle, "network": _network}
