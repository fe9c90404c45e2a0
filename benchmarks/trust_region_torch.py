"""The steps and products in PyTorch that `benchmarks.trust_region` times."""

import copy
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from benchmarks.trust_region_search import SUBPROBLEMS, TRAINING, Search, timed
from indian_torch import TrustRegion

__all__ = ["torch_search"]


def torch_search(widths: Sequence[int], batch: int, iterations: int) -> Search:
    """The entry of PyTorch."""
    torch.manual_seed(0)
    layers = [layer for a, b in pairwise(widths) for layer in (torch.nn.Linear(a, b), torch.nn.Tanh())][:-1]
    model = torch.nn.Sequential(*layers)
    x, y = torch.randn(batch, widths[0]), torch.randn(batch, widths[-1])

    def loss() -> Tensor:
        return (model(x) - y).square().mean()

    params = list(model.parameters())
    training = TrustRegion(params, **TRAINING)
    for _ in range(10):
        training.step(loss)

    def step(subproblem: str) -> Callable[[], int]:
        # So that the radius of the next step is the same up to rounding.
        optimizer = TrustRegion(params, **timed(subproblem, iterations), shrink_factor=1 + 1e-15)
        calls = 0

        def rejected() -> Tensor:
            """The loss of a trial is too large, so that the next step starts from here again."""
            nonlocal calls
            calls += 1
            return loss() if calls % 2 else loss() + 1

        def run() -> int:
            spent = optimizer.report.backpropagations if optimizer.report else 0
            optimizer.step(rejected)
            assert optimizer.report is not None
            return optimizer.report.backpropagations - spent

        return run

    # A graph does not outlive a change of its parameters, which trials make.
    twin = copy.deepcopy(model)
    copies = list(twin.parameters())
    gradient = torch.autograd.grad((twin(x) - y).square().mean(), copies, create_graph=True)
    vectors = [torch.randn_like(param) for param in params]
    return Search(
        product=lambda: torch.autograd.grad(gradient, copies, vectors, retain_graph=True),
        steps={name: step(name) for name in SUBPROBLEMS},
    )
