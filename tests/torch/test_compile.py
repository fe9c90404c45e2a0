"""``torch.compile`` of a step, beyond that it takes the same steps: how often it compiles, and from what state."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch._dynamo.testing import CompileCounterWithBackend

from indian_torch import INDIAN, INNAprop
from tests.releases import needs
from tests.torch.implementations import each_implementation, each_implementation_and_norm

USUAL: dict[str, Any] = {"alpha": 1.3, "beta": 0.4, "weight_decay": 0.1}


@pytest.fixture(autouse=True)
def fresh_compiler() -> Iterator[None]:
    torch.compiler.reset()
    logging.getLogger("torch._dynamo").setLevel(logging.ERROR)
    yield
    torch.compiler.reset()


class Pair:
    """An optimizer whose step is compiled, without a C++ compiler, and one beside it whose step is not."""

    def __init__(self, lr: Any, flags: dict[str, Any]) -> None:
        self.params, self.plain_params = ([torch.ones(3), torch.full((2,), 2.0)] for _ in range(2))
        self.optimizer = INDIAN(self.params, lr, **USUAL, **flags)
        self.plain = INDIAN(self.plain_params, 0.1, **USUAL | flags)
        self.counter = CompileCounterWithBackend("aot_eager")
        self.compiled = torch.compile(self.optimizer.step, backend=self.counter)

    def step(self, k: int, *, compiled: bool) -> int:
        """Step k of both; returns how many graphs have been compiled so far."""
        for p, q in zip(self.params, self.plain_params, strict=True):
            p.grad = torch.cos(torch.arange(p.numel()) + float(k))
            q.grad = p.grad.clone()
        self.plain.step()
        (self.compiled if compiled else self.optimizer.step)()
        torch.testing.assert_close(self.params, self.plain_params, rtol=1e-6, atol=1e-6)
        return self.counter.frame_count


@pytest.mark.slow
@needs(torch, "2.5", "floats that a compiled step reads as inputs")
@each_implementation_and_norm
def test_float_step_size_compiles_once_more_when_it_first_changes(flags: dict[str, bool]) -> None:
    pair = Pair(0.1, flags)
    assert [pair.step(k, compiled=True) for k in range(3)] == [1, 2, 2]  # the first step, and later ones
    for k in range(3, 7):
        pair.optimizer.param_groups[0]["lr"] = pair.plain.param_groups[0]["lr"] = 0.1 / k
        assert pair.step(k, compiled=True) == 3


@pytest.mark.slow
@each_implementation
def test_compiled_steps_may_follow_others_and_be_followed(flags: dict[str, bool]) -> None:
    """With ``fused``, other steps keep a multiple of the velocity; one graph more takes over from it."""
    pair = Pair(torch.tensor(0.1), flags)
    compiled = [False, False, True, True, False, False, True, True]
    graphs = [pair.step(k, compiled=c) for k, c in enumerate(compiled)]
    later = 2 if flags["fused"] else 1
    assert graphs[:6] == [0, 0, 1, later, later, later]
    assert graphs[6] == graphs[7] <= later + 1


def test_compiled_step_computes_what_depends_on_the_count_once() -> None:
    """One operation that no compiler fuses into the loops over elements takes the counts of all parameters."""
    params = [torch.ones(3), torch.ones(2)]
    for p in params:
        p.grad = torch.ones_like(p)
    counter = CompileCounterWithBackend("aot_eager")
    torch.compile(INNAprop(params, torch.tensor(1e-3)).step, backend=counter)()
    (graph,) = counter.graphs
    assert sum("cumsum" in str(node.target) for node in graph.graph.nodes) == 1
