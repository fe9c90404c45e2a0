"""What surrounds the update: closures, gradients that are absent, hooks, repr, state."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch

from indian_core.dynamics import phase_from_velocity
from indian_torch import INDIAN

takes_complex_parameters = pytest.mark.parametrize(
    "implementation",
    ["default", "foreach", "for_loop", "capturable", "foreach_capturable", "differentiable"],
    indirect=True,
)


def copies(optimizer: INDIAN) -> Any:
    """Parameters and state, to compare with later."""
    params = [p for group in optimizer.param_groups for p in group["params"]]
    return copy.deepcopy([[p.detach() for p in params], optimizer.state_dict()["state"]])


def test_state_is_velocity_and_step(take_step: Callable[..., None], implementation: dict[str, bool]) -> None:
    param = torch.ones(2, 3)
    optimizer = INDIAN([param], **implementation)
    assert not optimizer.state
    for k in range(3):
        take_step(optimizer, k)
        state = optimizer.state_dict()["state"][0]
        assert state.keys() == {"velocity", "step"}
        assert state["velocity"].shape == param.shape
        assert state["velocity"].dtype == param.dtype
        assert state["step"].shape == ()
        assert state["step"].item() == k + 1


def test_gradient_is_left_alone(implementation: dict[str, bool]) -> None:
    param = torch.ones(3)
    optimizer = INDIAN([param], weight_decay=0.1, **implementation)
    param.grad = gradient = torch.tensor([1.0, 2.0, 3.0])
    optimizer.step()
    optimizer.step()
    assert param.grad is gradient
    assert gradient.tolist() == [1.0, 2.0, 3.0]


def test_parameters_are_updated_in_place(implementation: dict[str, bool]) -> None:
    param = torch.ones(3)
    alias = param.view(3)
    optimizer = INDIAN([param], **implementation)
    param.grad = torch.ones(3)
    optimizer.step()
    assert torch.equal(alias, param)
    assert not torch.equal(alias, torch.ones(3))


def test_trains_a_model() -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
    inputs = torch.randn(64, 4)
    targets = inputs.sum(1, keepdim=True).abs()
    optimizer = INDIAN(model.parameters(), lr=0.05)
    losses = []
    for _ in range(100):
        optimizer.zero_grad()
        loss = (model(inputs) - targets).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2


def test_step_without_gradients_does_nothing(implementation: dict[str, bool]) -> None:
    param = torch.ones(3)
    optimizer = INDIAN([param], **implementation)
    assert optimizer.step() is None
    assert torch.equal(param, torch.ones(3))
    assert not optimizer.state


def test_closure_is_called_once_with_gradients_enabled_and_its_loss_returned() -> None:
    param = torch.ones(3, requires_grad=True)
    optimizer = INDIAN([param], lr=0.1)
    calls = []

    def closure() -> torch.Tensor:
        calls.append(torch.is_grad_enabled())
        optimizer.zero_grad()
        loss = param.square().sum()
        loss.backward()
        return loss

    with torch.no_grad():
        loss = optimizer.step(closure)
    assert calls == [True]
    assert loss.item() == 3.0
    assert not torch.equal(param, torch.ones(3))


@pytest.mark.parametrize("steps_before", [0, 2])
def test_closure_that_raises_leaves_parameters_and_state(
    take_step: Callable[..., None], implementation: dict[str, bool], steps_before: int
) -> None:
    param = torch.ones(3)
    optimizer = INDIAN([param], **implementation)
    for k in range(steps_before):
        take_step(optimizer, k)
    before = copies(optimizer)

    def closure() -> float:
        param.grad = torch.ones(3)
        raise ArithmeticError("no loss")

    with pytest.raises(ArithmeticError, match="no loss"):
        optimizer.step(closure)
    torch.testing.assert_close(copies(optimizer), before, rtol=0, atol=0)


@pytest.mark.parametrize("steps_before", [0, 2])
def test_sparse_gradients_are_refused_and_nothing_changes(
    take_step: Callable[..., None], implementation: dict[str, bool], steps_before: int
) -> None:
    dense, sparse = torch.ones(3), torch.ones(3)
    optimizer = INDIAN([{"params": [dense]}, {"params": [sparse]}], **implementation)
    for k in range(steps_before):
        take_step(optimizer, k)
    dense.grad, sparse.grad = torch.ones(3), torch.ones(3).to_sparse()
    before = copies(optimizer)
    with pytest.raises(RuntimeError, match="INDIAN does not support sparse gradients"):
        optimizer.step()
    torch.testing.assert_close(copies(optimizer), before, rtol=0, atol=0)


def test_zero_grad() -> None:
    param = torch.ones(3)
    optimizer = INDIAN([param])
    param.grad = torch.ones(3)
    optimizer.zero_grad(set_to_none=False)
    assert torch.equal(param.grad, torch.zeros(3))
    optimizer.zero_grad()
    assert param.grad is None


def test_step_hooks_run_before_and_after() -> None:
    param = torch.ones(1)
    param.grad = torch.ones(1)
    optimizer = INDIAN([param], lr=0.5, initial_speed=1.0)
    seen = []
    before = optimizer.register_step_pre_hook(lambda *_: seen.append(("before", param.item())))
    optimizer.register_step_post_hook(lambda *_: seen.append(("after", param.item())))
    optimizer.step()
    assert seen == [("before", 1.0), ("after", 0.5)]
    before.remove()
    optimizer.step()
    assert [name for name, _ in seen] == ["before", "after", "after"]


def test_repr_shows_every_hyperparameter() -> None:
    text = repr(INDIAN([torch.ones(1)], lr=0.25, alpha=0.75, beta=0.125, weight_decay=0.5))
    assert text.startswith("INDIAN (")
    for line in (
        "lr: 0.25",
        "alpha: 0.75",
        "beta: 0.125",
        "initial_speed: 1.0",
        "weight_decay: 0.5",
        "maximize: False",
        "foreach: None",
        "differentiable: False",
        "capturable: False",
        "fused: None",
        "velocity_dtype: None",
    ):
        assert line in text


def test_gradient_scaler_skips_a_step_with_an_infinite_gradient() -> None:
    param = torch.ones(2)
    optimizer = INDIAN([param], lr=0.5)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    scaler.scale(torch.zeros(()))
    param.grad = torch.tensor([float("inf"), 1.0])
    scaler.step(optimizer)
    scaler.update()
    assert torch.equal(param, torch.ones(2))
    assert not optimizer.state
    scaler.scale(torch.zeros(()))
    param.grad = torch.full((2,), 2.0)  # scaled by 2 now
    scaler.step(optimizer)
    assert param.tolist() == [0.5, 0.5]


@pytest.mark.slow
def test_compiled_step_takes_the_same_steps(take_step: Callable[..., None], implementation: dict[str, bool]) -> None:
    """Compiled without a C++ compiler, in two graphs: for the first step and for later ones."""
    from torch._dynamo.testing import CompileCounterWithBackend
    from torch._dynamo.utils import counters

    params = [torch.ones(3), torch.full((2,), 2.0)]
    plain_params = [p.clone() for p in params]
    optimizer, plain = (
        INDIAN(p, torch.tensor(0.1), weight_decay=0.1, **implementation) for p in (params, plain_params)
    )
    torch.compiler.reset()
    counters.clear()
    counter = CompileCounterWithBackend("aot_eager")
    step = torch.compile(optimizer.step, backend=counter)
    for k in range(4):
        if k == 3:
            optimizer.param_groups[0]["lr"].fill_(0.05)
            plain.param_groups[0]["lr"].fill_(0.05)
        take_step(plain, k)
        for p, q in zip(params, plain_params, strict=True):
            assert q.grad is not None
            p.grad = q.grad.clone()
        step()
        for p, q in zip(params, plain_params, strict=True):
            torch.testing.assert_close(p, q)
    assert counter.frame_count == 2
    # The one that every optimizer of PyTorch has.
    assert len(counters["graph_break"]) == 1


@takes_complex_parameters
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
@pytest.mark.parametrize("steps", [1, 5])
def test_phase_is_a_new_tensor_of_the_same_shape_and_dtype(
    take_step: Callable[..., None], implementation: dict[str, bool], steps: int
) -> None:
    """That its values are those of the phase form is tested with every trajectory."""
    params = [torch.ones(()), torch.ones(2, dtype=torch.bfloat16), torch.ones(3, dtype=torch.complex64)]
    alpha = torch.tensor([0.5], dtype=torch.float64, requires_grad=True)
    optimizer = INDIAN(params, alpha=alpha, **implementation)
    for k in range(steps):
        take_step(optimizer, k)
    for param in params:
        phase = optimizer.phase(param)
        assert phase.shape == param.shape
        assert phase.dtype == param.dtype
        assert not phase.requires_grad
        assert phase.data_ptr() not in (param.data_ptr(), optimizer.velocity(param).data_ptr())


def test_phase_of_16_bit_parameters_is_computed_in_float32() -> None:
    """(1 − αβ)θ − βm is a difference of large numbers; in bfloat16 each of the two would be rounded before it."""
    param = torch.full((64,), 3.0, dtype=torch.bfloat16)
    optimizer = INDIAN([param], lr=0.1, alpha=0.3, beta=0.7)
    param.grad = torch.linspace(-9, 9, 64, dtype=torch.bfloat16)
    optimizer.step()
    velocity = optimizer.velocity(param)
    expected = phase_from_velocity(param.double(), velocity.double(), 0.3, 0.7)
    torch.testing.assert_close(optimizer.phase(param), expected.bfloat16(), rtol=2**-8, atol=0)


@pytest.mark.parametrize("which", ["no_step_yet", "no_gradient_yet", "foreign"])
def test_phase_is_undefined_before_the_first_step_and_for_foreign_tensors(which: str) -> None:
    param, other = torch.ones(2), torch.ones(2)
    optimizer = INDIAN([param, other] if which == "no_gradient_yet" else [param])
    if which != "no_step_yet":
        param.grad = torch.ones(2)
        optimizer.step()
    with pytest.raises(
        ValueError,
        match="param must " + ("be a parameter of this optimizer" if which == "foreign" else "have taken a step"),
    ):
        optimizer.phase(param if which == "no_step_yet" else other)
    assert len(optimizer.state) == (which != "no_step_yet")
