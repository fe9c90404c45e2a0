"""The descent in PyTorch."""

from typing import Any

import numpy as np
import torch

from experiments.papers.nonsmooth_valley.loss import START, loss
from indian_torch import INDIAN

__all__ = ["trajectory"]


def trajectory(step_size: float, hyperparameters: dict[str, Any], steps: int) -> np.ndarray:
    """All points, of shape (steps + 1, 2)."""
    torch.set_num_threads(1)
    theta = torch.tensor(START, dtype=torch.float64, requires_grad=True)
    optimizer = INDIAN([theta], lr=step_size, **hyperparameters)
    points = torch.empty(steps + 1, 2, dtype=torch.float64)
    points[0] = theta.detach()
    for k in range(steps):
        (theta.grad,) = torch.autograd.grad(loss(theta), theta)
        optimizer.step()
        points[k + 1] = theta.detach()
    return points.numpy()
