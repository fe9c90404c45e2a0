"""The functional step against the core, and against the optimizer."""

from typing import Any

import pytest
import torch
from torch import Tensor

from indian_core.dynamics import pre_form, velocity_step
from indian_core.norms import accumulate, norm_coefficients, preconditioned, scale
from indian_torch.functional import step

each_norm = pytest.mark.parametrize("norm", [None, "rmsprop", "adagrad"])

DTYPES = [
    (torch.float64, torch.float64),
    (torch.float32, torch.float32),
    (torch.bfloat16, torch.bfloat16),
    (torch.bfloat16, torch.float32),
]


@each_norm
@pytest.mark.parametrize(("dtype", "state_dtype"), DTYPES, ids=str)
def test_steps_are_those_of_the_core(norm: str | None, dtype: torch.dtype, state_dtype: torch.dtype) -> None:
    """From the same tensors each time; shapes of every kind, and one that is cut into chunks."""
    shapes: list[Any] = [(3,), (), (2, 3), (0, 2), (2**18 + 3,)]
    generator = torch.Generator().manual_seed(0)
    params = [torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype) for shape in shapes]
    velocities = [torch.zeros_like(p, dtype=state_dtype) for p in params]
    accumulators = None if norm is None else [torch.zeros_like(p, dtype=state_dtype) for p in params]
    for k in range(3):
        grads = [torch.randn(p.shape, generator=generator, dtype=torch.float64).to(dtype) for p in params]
        coefficients = pre_form(0.05, 0.5, 0.2, weight_decay=0.1, first=k == 0)
        in_norm = None if norm is None else norm_coefficients(norm, k + 1, 0.9, 1e-3)
        expected: list[list[Tensor]] = [[], [], []]
        for i, (p, g, m) in enumerate(zip(params, grads, velocities, strict=True)):
            direction = g.double()
            if in_norm is not None and accumulators is not None:
                v = accumulate(accumulators[i].double(), direction, in_norm)
                expected[2].append(v)
                direction = preconditioned(direction, scale(v, in_norm, torch))
            displacement, velocity = velocity_step(p.double(), m.double(), direction, coefficients)
            expected[0].append(p.double() + displacement)
            expected[1].append(velocity)
        kept = [g.clone() for g in grads]
        step(params, grads, velocities, accumulators, coefficients, in_norm)
        for actual, exact in zip((params, velocities, accumulators or []), expected, strict=True):
            dtype_of_actual = dtype if actual is params else state_dtype
            tolerance = torch.finfo(dtype_of_actual).eps * (1 if dtype_of_actual.itemsize == 2 else 16)
            torch.testing.assert_close([t.double() for t in actual], exact, rtol=tolerance, atol=tolerance)
        torch.testing.assert_close(grads, kept, rtol=0, atol=0)


def test_step_leaves_no_graph_and_takes_parameters_that_require_a_gradient() -> None:
    param = torch.ones(3, requires_grad=True)
    step([param], [torch.ones(3)], [torch.zeros(3)], None, pre_form(0.5, 0.5, 0.2), None)
    assert param.is_leaf
    torch.testing.assert_close(param.detach(), torch.full((3,), 0.9))


def test_empty_lists_are_no_step() -> None:
    step([], [], [], None, pre_form(0.5, 0.5, 0.2), None)


@pytest.mark.parametrize("which", ["norm", "accumulators"])
def test_norm_and_accumulators_come_together(which: str) -> None:
    param = torch.ones(3)
    accumulators = [torch.zeros(3)] if which == "accumulators" else None
    norm = norm_coefficients("adagrad", 1, 0.9, 1e-3) if which == "norm" else None
    with pytest.raises(ValueError, match="accumulators must be None where norm is None, and only there"):
        step([param], [torch.ones(3)], [torch.zeros(3)], accumulators, pre_form(0.5, 0.5, 0.2), norm)
    assert torch.equal(param, torch.ones(3))
