"""Where ``fused`` takes PyTorch's kernel, where it does not, and what a step leaves in memory."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from indian_core.dynamics import pre_form, velocity_step
from indian_torch import INDIAN, PowerDecayLR
from indian_torch._step import fused
from tests.torch.observation import calls_of, peak_of_a_step

USUAL: dict[str, Any] = {"lr": 0.05, "alpha": 0.5, "beta": 0.2}

KERNEL, MULTIPLY = "aten::_fused_sgd_", "aten::_foreach_mul_"


def calls_of_step(optimizer: INDIAN, k: int, arrange: Callable[[Tensor], Tensor] = torch.clone) -> Counter[str]:
    for group in optimizer.param_groups:
        for p in group["params"]:
            p.grad = arrange(torch.cos(torch.arange(p.numel()).reshape(p.shape) + k).to(p.dtype))
    return calls_of(optimizer.step)


def calls_of_steps(optimizer: INDIAN, steps: int = 4, arrange: Callable[[Tensor], Tensor] = torch.clone) -> list[int]:
    """How often each step takes the kernel."""
    return [calls_of_step(optimizer, k, arrange)[KERNEL] for k in range(steps)]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_whether_the_kernel_is_right_is_found_out_from_a_few_numbers(dtype: torch.dtype) -> None:
    """From 64; here 1000, more than any vector of a processor holds."""
    generator = torch.Generator().manual_seed(0)
    param, grad, buffer = (torch.randn(1000, generator=generator).to(dtype) for _ in range(3))
    exact_buffer = 0.9 * buffer.double() + 0.4 * grad.double()
    exact = param.double() - 0.1 * (grad.double() + 0.9 * exact_buffer)
    torch._fused_sgd_(
        [param],
        [grad],
        [buffer],
        lr=0.1,
        momentum=0.9,
        dampening=0.6,
        weight_decay=0.0,
        nesterov=True,
        maximize=False,
        is_first_step=False,
    )
    tolerance = 8 * torch.finfo(dtype).eps
    is_right = torch.allclose(param.double(), exact, rtol=tolerance, atol=tolerance) and torch.allclose(
        buffer.double(), exact_buffer, rtol=tolerance, atol=tolerance
    )
    assert fused.is_right(torch.device("cpu"), dtype) == is_right
    # Elsewhere the kernel would never be taken.
    assert is_right or dtype.itemsize == 2


def test_one_call_for_each_dtype_from_the_second_step_on() -> None:
    params = [torch.ones(3), torch.ones(4), torch.ones(2, dtype=torch.float64), torch.ones(())]
    assert calls_of_steps(INDIAN(params, **USUAL, fused=True)) == [0, 2, 2, 2]


def test_one_call_for_each_group() -> None:
    groups = [{"params": [torch.ones(3), torch.ones(2)]}, {"params": [torch.ones(4)], "lr": 0.1}]
    assert calls_of_steps(INDIAN(groups, **USUAL, fused=True)) == [0, 2, 2, 2]


@pytest.mark.parametrize(
    "hyperparameters",
    [
        {"weight_decay": 0.1},
        {"maximize": True},
        {"lr": 0.3},
        {"alpha": 0.0},
        {"alpha": 5.0},
        {"alpha": 30.0},
        {"lr": torch.tensor(0.05), "beta": torch.tensor([0.2])},
        {"initial_speed": 0.0},
        {"velocity_dtype": torch.float32},
    ],
    ids=lambda given: " ".join(given),
)
def test_hyperparameters_that_the_kernel_takes(hyperparameters: dict[str, Any]) -> None:
    optimizer = INDIAN([torch.ones(3)], **USUAL | hyperparameters, fused=True)
    assert calls_of_steps(optimizer) == [0, 1, 1, 1]


@pytest.mark.parametrize(
    "arguments",
    [
        {"lr": 0.2},  # = beta
        {"alpha": 20.0},  # αγ = 1
        {"alpha": 16.0},  # αγ = 0.8
        {"lr": 0.0},
        {"lr": 0.5, "beta": 0.6, "weight_decay": 2.0},  # takes more than half of θ
        {"velocity_dtype": torch.float64},
        {"capturable": True},
        {"fused": False},
        {"fused": None, "foreach": True},
        {"fused": None, "differentiable": True},
    ],
    ids=lambda given: " ".join(given),
)
def test_where_the_kernel_is_not_taken_the_step_is_as_exact(arguments: dict[str, Any]) -> None:
    param = torch.linspace(-1, 1, 5)
    optimizer = INDIAN([param], **USUAL | {"fused": True} | arguments)
    assert_exact(optimizer, param, [0, 0, 0])


def assert_exact(optimizer: INDIAN, param: Tensor, expected_calls: list[int], **arrange: Any) -> None:
    """The calls, and that the steps agree with those in float64 to the rounding of float32."""
    group = optimizer.param_groups[0]
    theta, velocity = param.double(), torch.zeros_like(param, dtype=torch.float64)
    for k, expected in enumerate(expected_calls):
        assert calls_of_step(optimizer, k, **arrange)[KERNEL] == expected
        assert param.grad is not None
        numbers = {name: group[name] for name in ("alpha", "beta", "weight_decay")}
        coefficients = pre_form(group["lr"], **numbers, first=k == 0)
        displacement, velocity = velocity_step(theta, velocity, param.grad.double(), coefficients)
        theta = theta + displacement
        torch.testing.assert_close(param.double(), theta, rtol=1e-6, atol=1e-6)


def transposed(tensor: Tensor) -> Tensor:
    return tensor.t().contiguous().t()


def with_gaps(tensor: Tensor) -> Tensor:
    return torch.stack([tensor, tensor], -1)[..., 0]


@pytest.mark.parametrize(
    ("param", "arrange", "expected"),
    [
        (torch.ones(3, 4), torch.clone, 1),
        (transposed(torch.ones(3, 4)), transposed, 1),
        (torch.ones(()), torch.clone, 1),
        (torch.ones(0, 3), torch.clone, 1),
        (torch.ones(3, 4), transposed, 0),
        (transposed(torch.ones(3, 4)), torch.clone, 0),
        (torch.ones(3, 4), with_gaps, 0),
        (with_gaps(torch.ones(3, 4)), with_gaps, 0),
        (torch.ones(3, 4), lambda g: g[:1, :1].expand(3, 4), 0),
    ],
    ids=["alike", "transposed", "scalar", "empty", "grad_t", "param_t", "grad_gaps", "both_gaps", "grad_expanded"],
)
def test_kernel_takes_tensors_of_one_dense_layout(
    param: Tensor, arrange: Callable[[Tensor], Tensor], expected: int
) -> None:
    """It goes through memory and looks at no strides. The others beside it still go there."""
    # A param with gaps must have gaps in a tensor of its own: parameters are shared by no tests.
    param = param.clone() if param.is_contiguous() else arrange_like(param)
    optimizer = INDIAN([param, torch.ones(2, 2)], **USUAL, fused=True)
    assert_exact(optimizer, param, [0, 1, 1, 1], arrange=lambda g: arrange(g) if g.shape == param.shape else g)
    alone = INDIAN([param.clone() if param.is_contiguous() else arrange_like(param)], **USUAL, fused=True)
    assert calls_of_steps(alone, 3, arrange) == [0, expected, expected]


def arrange_like(param: Tensor) -> Tensor:
    """A copy with the same strides, gaps included."""
    copy = torch.zeros(sum((n - 1) * s for n, s in zip(param.shape, param.stride(), strict=True)) + 1)
    return copy.as_strided(param.shape, param.stride()).copy_(param)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_kernel_is_not_taken_where_it_is_wrong(dtype: torch.dtype) -> None:
    optimizer = INDIAN([torch.ones(40, dtype=dtype)], **USUAL, fused=True)
    # On CPU it has been right in bfloat16 since PyTorch 2.15; float16 is too narrow for multiples of a velocity.
    expected = int(dtype == torch.bfloat16 and fused.is_right(torch.device("cpu"), dtype))
    assert calls_of_steps(optimizer, 3) == [0, expected, expected]


@pytest.mark.parametrize(("lr", "steps"), [(0.05, 3), (0.1, 70)], ids=["same_step_size", "other_step_size"])
def test_velocities_that_are_different_multiples_go_in_calls_of_their_own(lr: float, steps: int) -> None:
    """Those of a parameter that comes late; until the scales, which follow the step size, have become one."""
    optimizer = INDIAN([torch.ones(2)], **USUAL, fused=True)
    assert calls_of_steps(optimizer, 3) == [0, 1, 1]
    optimizer.param_groups[0]["params"].append(torch.ones(3))
    optimizer.param_groups[0]["lr"] = lr
    first, second, *_, last = calls_of_steps(optimizer, steps)
    assert (first, second, last) == (1, 2, 1)  # in the first step, the late one takes its own first


def test_usual_schedules_rescale_nothing() -> None:
    """The scale follows the step size by itself; each step is one pass."""
    optimizer = INDIAN([torch.ones(2)], lr=0.1, alpha=0.5, beta=0.2, fused=True)
    schedule = PowerDecayLR(optimizer)
    for k in range(20):
        calls = calls_of_step(optimizer, k)
        schedule.step()
        assert k == 0 or (calls[KERNEL], calls[MULTIPLY]) == (1, 0)


def test_sign_of_the_scale_changes_once_where_beta_is_crossed() -> None:
    optimizer = INDIAN([torch.ones(2)], lr=0.1, alpha=0.5, beta=0.2, fused=True)
    calls_of_steps(optimizer, 2)
    for k, (lr, multiplications) in enumerate([(0.19, 0), (0.3, 1), (0.3, 0), (0.25, 0), (0.15, 1), (0.1, 0)]):
        optimizer.param_groups[0]["lr"] = lr
        calls = calls_of_step(optimizer, k)
        assert (calls[KERNEL], calls[MULTIPLY]) == (1, multiplications)


@pytest.mark.parametrize("maximize", [False, True])
def test_foreach_step_is_four_passes(maximize: bool) -> None:
    optimizer = INDIAN([torch.ones(2), torch.ones(3)], **USUAL, foreach=True, maximize=maximize)
    for k in range(4):
        calls = calls_of_step(optimizer, k)
        assert {name: n for name, n in calls.items() if "foreach" in name} == {"aten::_foreach_add_": 4}


# Memory


@pytest.mark.parametrize(
    "flags", [{"foreach": True}, {"fused": True}, {"foreach": False}], ids=lambda given: str(given)
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_step_needs_no_temporaries(flags: dict[str, bool], dtype: torch.dtype) -> None:
    params = [
        torch.ones(2**16, dtype=dtype),
        torch.ones(100, 100, dtype=dtype),
        transposed(torch.ones(50, 60)).to(dtype),
    ]
    optimizer = INDIAN(params, **USUAL, weight_decay=0.1, **flags)
    # To add a number times a tensor takes two numbers.
    assert peak_of_a_step(optimizer) < 200


@pytest.mark.parametrize(
    "param",
    [
        torch.ones(2**21, dtype=torch.bfloat16),
        torch.ones(2**11, 2**10, dtype=torch.bfloat16).t(),
        torch.ones(1, 2**21, 2, dtype=torch.bfloat16)[..., 0],
        torch.ones(2**21, 1, 2, dtype=torch.bfloat16)[..., 0],
    ],
    ids=["contiguous", "transposed", "wide", "tall"],
)
@pytest.mark.parametrize("velocity_dtype", [None, torch.float32])
def test_16_bit_step_needs_a_few_pieces(param: Tensor, velocity_dtype: torch.dtype | None) -> None:
    """Each of 2¹⁸ elements, in float32; some eight are alive at a time, whatever the size of the parameter."""
    optimizer = INDIAN([param.detach()], **USUAL, weight_decay=0.1, velocity_dtype=velocity_dtype)
    piece = 4 * 2**18
    assert piece <= peak_of_a_step(optimizer) <= 8 * piece


@pytest.mark.parametrize("flags", [{"foreach": True}, {"fused": True}], ids=["foreach", "fused"])
def test_first_step_that_an_error_ends_is_still_the_first(
    flags: dict[str, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when memory runs out and the step is tried again."""
    params = [torch.ones(3) for _ in range(2)]
    optimizers = [INDIAN([param], **USUAL, **flags) for param in params]
    with monkeypatch.context() as patched:
        patched.setattr(torch, "_foreach_add_", lambda *_, **__: raise_out_of_memory())
        params[0].grad = torch.ones(3)
        with pytest.raises(torch.OutOfMemoryError):
            optimizers[0].step()
    for optimizer, param in zip(optimizers, params, strict=True):
        for _ in range(2):
            param.grad = torch.ones(3)
            optimizer.step()
    torch.testing.assert_close(params[0], params[1], rtol=1e-6, atol=0)


def raise_out_of_memory() -> None:
    raise torch.OutOfMemoryError("no memory left")
