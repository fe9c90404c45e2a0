"""The norms of RMSProp and AdaGrad, INNAprop, and the state that belongs to them."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from indian_core.dynamics import velocity_step
from indian_core.norms import accumulate, norm_coefficients, preconditioned, scale
from indian_core.reference import PhaseForm, PublishedINNAprop, trajectory
from indian_torch import INDIAN, INNAprop
from indian_torch._family.indian import coefficients_of, settings_of
from indian_torch._norm import fused
from tests.torch.implementations import NORMS, implementations
from tests.torch.observation import calls_of, peak_of_a_step

each_implementation = implementations("foreach", "for_loop", "fused", "capturable", "differentiable")
each_norm = pytest.mark.parametrize("norm", [NORMS["rmsprop"], NORMS["adagrad"]], ids=["rmsprop", "adagrad"])

CPU = torch.device("cpu")


def gradient_at(theta: np.ndarray, k: int) -> np.ndarray:
    return np.asarray(theta + np.sin(3 * theta) + np.cos(k + np.arange(theta.size)))


def run(optimizer: INDIAN, steps: int) -> np.ndarray:
    """θ of the one parameter after each step."""
    (param,) = optimizer.param_groups[0]["params"]
    thetas = []
    for k in range(steps):
        param.grad = torch.from_numpy(gradient_at(param.detach().numpy(), k))
        optimizer.step()
        thetas.append(param.detach().numpy().copy())
    return np.stack(thetas)


def give_gradient(param: Tensor, k: int) -> None:
    param.grad = torch.cos(1.0 + torch.arange(param.numel()) + k).reshape(param.shape).to(param.dtype)


# Trajectories; that INDIAN in a norm follows the phase form is tested with all other trajectories.


@each_implementation
@pytest.mark.parametrize("lr", [1e-3, 0.05, 0.5])
@pytest.mark.parametrize("settings", [{}, {"alpha": 1.5, "beta": 0.7, "norm_decay": 0.9, "norm_epsilon": 0.1}], ids=str)
def test_innaprop_takes_the_published_steps(flags: dict[str, Any], lr: float, settings: dict[str, float]) -> None:
    start = np.linspace(-1, 1, 7)
    published = trajectory(gradient_at, start, lr, 100, method=PublishedINNAprop, **settings)
    thetas = run(INNAprop([torch.tensor(start)], lr, **settings, **flags), 100)
    np.testing.assert_allclose(thetas, published.theta[1:], rtol=0, atol=1e-11)


@each_implementation
@pytest.mark.parametrize("lr", [0.9, 1.5], ids=["equal", "beyond"])
def test_innaprop_goes_on_where_the_published_steps_divide_by_zero_and_beyond(flags: dict[str, Any], lr: float) -> None:
    start = np.linspace(-1, 1, 7)
    settings: dict[str, Any] = {"alpha": 0.1, "beta": 0.9, "weight_decay": 0.01}
    if lr == 0.9:
        with pytest.raises(ZeroDivisionError):
            trajectory(gradient_at, start, lr, 2, method=PublishedINNAprop, **settings)
    form = trajectory(gradient_at, start, lr, 10, method=PhaseForm, initial_speed=None, norm="rmsprop", **settings)
    thetas = run(INNAprop([torch.tensor(start)], lr, **flags), 10)
    np.testing.assert_allclose(thetas, form.theta[1:], rtol=0, atol=1e-11)


def test_innaprop_refuses_what_makes_it_another_method() -> None:
    for name, value in (("norm", None), ("initial_speed", 1.0)):
        with pytest.raises(TypeError, match=name):
            INNAprop([torch.ones(1)], **{name: value})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="momentum"):
        INNAprop([torch.ones(1)], momentum=0.9)  # type: ignore[call-arg]


@each_implementation
@pytest.mark.parametrize("norm", [None, "rmsprop", "adagrad"])
def test_by_default_it_starts_with_speed_1_without_a_norm_and_from_rest_in_one(
    flags: dict[str, Any], norm: str | None
) -> None:
    speeds: list[dict[str, Any]] = [{}, {"initial_speed": "auto"}, {"initial_speed": 1.0}, {"initial_speed": None}]
    default, automatic, paper, rest = (
        run(INDIAN([torch.tensor(np.linspace(-1, 1, 7))], 0.1, norm=norm, **flags, **speed), 5) for speed in speeds
    )
    expected, other = (paper, rest) if norm is None else (rest, paper)
    np.testing.assert_array_equal(default, expected)
    np.testing.assert_array_equal(automatic, expected)
    assert np.abs(default - other).max() > 0.01


def test_by_default_each_group_starts_as_its_own_norm_asks_for() -> None:
    """Groups hold, and checkpoints keep, what that is: numbers, and None for rest."""

    def speeds(optimizer: INDIAN) -> list[Any]:
        return [group["initial_speed"] for group in optimizer.state_dict()["param_groups"]]

    def groups(*others: dict[str, Any]) -> list[dict[str, Any]]:
        return [{"params": [torch.ones(1)], **other} for other in others]

    norms = groups({}, {"norm": "adagrad"}, {"norm": "rmsprop", "initial_speed": 0.5}, {"norm": None})
    optimizer = INDIAN(norms)
    assert speeds(optimizer) == [1.0, None, 0.5, 1.0]
    optimizer = copy.deepcopy(optimizer)
    optimizer.add_param_group(*groups({"norm": "rmsprop"}))
    assert speeds(optimizer) == [1.0, None, 0.5, 1.0, None]
    assert "initial_speed: None" in repr(optimizer)
    assert speeds(INDIAN(groups({}, {"norm": None}), norm="adagrad")) == [None, 1.0]
    assert speeds(INDIAN(groups({}, {"norm": None}), norm="adagrad", initial_speed=0.25)) == [0.25, 0.25]
    assert speeds(INNAprop(groups({}, {"norm": None}))) == [None, None]


def test_by_default_each_group_has_the_learning_rate_of_its_own_norm() -> None:
    def rates(optimizer: INDIAN) -> list[float]:
        return [group["lr"] for group in optimizer.param_groups]

    def groups(*others: dict[str, Any]) -> list[dict[str, Any]]:
        return [{"params": [torch.ones(1)], **other} for other in others]

    norms = groups({}, {"norm": "adagrad"}, {"norm": "rmsprop"}, {"norm": "rmsprop", "lr": 0.5})
    optimizer = INDIAN(norms)
    assert rates(optimizer) == [0.1, 0.01, 0.003, 0.5]
    optimizer.add_param_group(*groups({"norm": "rmsprop"}))
    assert rates(optimizer)[-1] == 0.003
    assert rates(INDIAN(groups({}, {"norm": None}), norm="rmsprop")) == [0.003, 0.1]
    assert rates(INDIAN(groups({}, {"norm": "rmsprop"}), 0.25)) == [0.25, 0.25]


def test_a_saved_initial_speed_is_taken_as_it_is() -> None:
    optimizer = INDIAN([{"params": [torch.ones(1)], "norm": norm} for norm in (None, "adagrad")])
    saved = optimizer.state_dict()
    for group in saved["param_groups"]:
        group["initial_speed"] = 0.5
    optimizer.load_state_dict(saved)
    assert [group["initial_speed"] for group in optimizer.param_groups] == [0.5, 0.5]


def test_in_the_adagrad_norm_it_trains_better_from_rest_than_from_speed_1() -> None:
    """A linear regression with more unknowns than equations, which are small beside the steps."""
    generator = np.random.default_rng(0)
    inputs = torch.tensor(generator.normal(size=(16, 100)))
    targets = inputs @ torch.tensor(0.05 * generator.normal(size=100))

    def loss_after_50_steps(**speed: float) -> float:
        weights = torch.zeros(100, dtype=torch.float64, requires_grad=True)
        optimizer = INDIAN([weights], 0.1, norm="adagrad", **speed)
        for _ in range(50):
            optimizer.zero_grad()
            (inputs @ weights - targets).square().mean().backward()
            optimizer.step()
        return float((inputs @ weights.detach() - targets).square().mean())

    loss, start = loss_after_50_steps(), float(targets.square().mean())
    assert loss < 1e-6 * start
    assert loss < 0.1 * loss_after_50_steps(initial_speed=1.0)


@each_implementation
def test_groups_have_norms_of_their_own(flags: dict[str, Any]) -> None:
    """Also a group that is added between steps."""
    names = (None, "rmsprop", "adagrad")
    starts = [np.linspace(-1, i + 1, 4) for i in range(3)]
    params = [torch.tensor(start) for start in starts]
    groups = [{"params": [p], "norm": name} for p, name in zip(params, names, strict=True)]
    optimizer = INDIAN(groups[:2], 0.05, norm_epsilon=0.1, **flags)
    alone = [PhaseForm(start, norm=name, norm_epsilon=0.1) for start, name in zip(starts, names, strict=True)]
    for k in range(6):
        if k == 2:
            optimizer.add_param_group(groups[2])
        for param, form in list(zip(params, alone, strict=True))[: 2 if k < 2 else 3]:
            param.grad = torch.from_numpy(gradient_at(form.theta, k))
            form.step(gradient_at(form.theta, k), 0.05)
        optimizer.step()
    for param, form in zip(params, alone, strict=True):
        np.testing.assert_allclose(param.detach().numpy(), form.theta, rtol=1e-12)


# State


def test_state_is_two_buffers_of_the_shape_and_a_count() -> None:
    param = torch.ones(2, 3)
    optimizer = INNAprop([param])
    for k in range(3):
        give_gradient(param, k)
        optimizer.step()
        state = optimizer.state_dict()["state"][0]
        assert state.keys() == {"velocity", "accumulator", "step"}
        assert state["accumulator"].shape == state["velocity"].shape == param.shape
        assert state["step"] == k + 1


@pytest.mark.parametrize("saved", [None, "rmsprop", "adagrad"])
@pytest.mark.parametrize("own", [None, "rmsprop", "adagrad"])
def test_state_of_another_norm_is_refused_and_nothing_changes(saved: str | None, own: str | None) -> None:
    other, param = torch.ones(3), torch.ones(3)
    source, optimizer = INDIAN([other], lr=0.5, norm=saved), INDIAN([param], lr=0.25, norm=own)
    for one in (source, optimizer):
        give_gradient(one.param_groups[0]["params"][0], 0)
        one.step()
    before = copy.deepcopy(optimizer.state_dict())
    if saved == own:
        optimizer.load_state_dict(source.state_dict())
        assert optimizer.param_groups[0]["lr"] == 0.5
        return
    with pytest.raises(ValueError, match=f"^norm of group 0 must be that of the state, {saved!r}, got {own!r}$"):
        optimizer.load_state_dict(source.state_dict())
    after = optimizer.state_dict()
    torch.testing.assert_close(after["state"], before["state"], rtol=0, atol=0)
    assert after["param_groups"] == before["param_groups"]


@each_implementation
def test_norm_that_comes_after_steps_without_one_is_refused_and_nothing_changes(flags: dict[str, Any]) -> None:
    """The count of the first steps would be wrong for its accumulator."""
    param = torch.ones(3)
    optimizer = INDIAN([param], **flags)
    give_gradient(param, 0)
    optimizer.step()
    before = copy.deepcopy([param.detach(), optimizer.state_dict()["state"]])
    optimizer.param_groups[0]["norm"] = "rmsprop"
    with pytest.raises(ValueError, match="norm must be None where earlier steps had no norm, got 'rmsprop'"):
        optimizer.step()
    torch.testing.assert_close([param.detach(), optimizer.state_dict()["state"]], before, rtol=0, atol=0)


# Precision


DTYPES = [
    (torch.bfloat16, None, None),
    (torch.bfloat16, torch.float32, torch.float32),
    (torch.bfloat16, None, torch.float32),
    (torch.float16, None, torch.float32),
    (torch.float32, None, torch.bfloat16),
    (torch.float32, torch.bfloat16, torch.bfloat16),
    (torch.float32, torch.float64, torch.float64),
]


@each_norm
@each_implementation
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
@pytest.mark.parametrize(("dtype", "velocity_dtype", "norm_dtype"), DTYPES, ids=str)
def test_step_rounds_each_of_the_three_once(
    dtype: torch.dtype,
    velocity_dtype: torch.dtype | None,
    norm_dtype: torch.dtype | None,
    flags: dict[str, Any],
    norm: dict[str, Any],
) -> None:
    """Next to the step in float64, from the same parameters and state each time."""
    param = torch.linspace(-2, 2, 37).to(dtype)
    usual: dict[str, Any] = {"lr": 0.05, "alpha": 0.5, "beta": 0.2, "weight_decay": 0.1}
    optimizer = INDIAN([param], **usual, velocity_dtype=velocity_dtype, norm_dtype=norm_dtype, **norm, **flags)
    group = optimizer.param_groups[0]
    for k in range(5):
        theta, velocity, accumulator = param.detach().double(), torch.zeros(37).double(), torch.zeros(37).double()
        if k:
            kept = optimizer.state_dict()["state"][0]
            velocity, accumulator = kept["velocity"].double(), kept["accumulator"].double()
        give_gradient(param, k)
        optimizer.step()
        assert param.grad is not None
        gradient = param.grad.double()
        coefficients = norm_coefficients(group["norm"], k + 1, group["norm_decay"], group["norm_epsilon"])
        accumulator = accumulate(accumulator, gradient, coefficients)
        gradient = preconditioned(gradient, scale(accumulator, coefficients, torch))
        plan = coefficients_of(settings_of(group))(k + 1)
        displacement, velocity = velocity_step(theta, velocity, gradient, plan.pre if k else plan.first)
        state = optimizer.state_dict()["state"][0]
        assert state["velocity"].dtype == (velocity_dtype or dtype)
        assert state["accumulator"].dtype == (norm_dtype or dtype)
        exact = (theta + displacement, velocity, accumulator)
        for actual, expected in zip((param, state["velocity"], state["accumulator"]), exact, strict=True):
            tolerance = torch.finfo(actual.dtype).eps / 2 + 8 * torch.finfo(torch.float32).eps
            torch.testing.assert_close(actual.detach().double(), expected, rtol=tolerance, atol=tolerance / 4)


def test_dtype_of_the_accumulator_survives_a_checkpoint_and_may_change() -> None:
    param = torch.ones(3, dtype=torch.bfloat16)
    optimizer = INNAprop([param], norm_dtype=torch.float32)
    give_gradient(param, 0)
    optimizer.step()
    saved = copy.deepcopy(optimizer.state_dict())
    assert saved["state"][0]["accumulator"].dtype == torch.float32
    other = INNAprop([param.clone()])
    other.load_state_dict(copy.deepcopy(saved))
    torch.testing.assert_close(other.state_dict()["state"], saved["state"], rtol=0, atol=0)
    optimizer.param_groups[0]["norm_dtype"] = None
    give_gradient(param, 1)
    optimizer.step()
    assert optimizer.state[param]["accumulator"].dtype == torch.bfloat16


# The kernels


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@each_norm
def test_kernel_on_the_cpu_computes_the_norm(norm: dict[str, Any], dtype: torch.dtype) -> None:
    """From gradients of many shapes in one call; nan and infinity stay where they are."""
    assert fused.is_right(norm["norm"], CPU, dtype)
    generator = torch.Generator().manual_seed(0)
    shapes = ((0,), (), (3, 1), (4, 4, 4), (1000,))
    grads = [torch.randn(shape, generator=generator).to(dtype) for shape in shapes]
    accumulators = [torch.rand(shape, generator=generator).to(dtype) for shape in shapes]
    grads[3][0, 1, 1], grads[4][700] = torch.nan, torch.inf
    coefficients = norm_coefficients(norm["norm"], 7, 0.9, 1e-3)
    expected = [accumulate(v, g, coefficients) for v, g in zip(accumulators, grads, strict=True)]
    exact = [preconditioned(g, scale(v, coefficients, torch)) for v, g in zip(expected, grads, strict=True)]
    kept = [g.clone() for g in grads]
    memory = fused.workspace(grads, 2000).fill_(torch.nan)  # what an earlier step may have left
    numbers = {"count": 7, "decay": 0.9, "epsilon": 1e-3}
    found = fused.precondition(grads, accumulators, norm=norm["norm"], **numbers, memory=memory)
    tolerance = 8 * torch.finfo(dtype).eps
    torch.testing.assert_close(found, exact, rtol=tolerance, atol=0, equal_nan=True)
    torch.testing.assert_close(accumulators, expected, rtol=tolerance, atol=0, equal_nan=True)
    torch.testing.assert_close(grads, kept, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize(("name", "kernel"), [("rmsprop", "fused_adam"), ("adagrad", "fused_adagrad")])
def test_kernel_gets_lists_of_the_same_shapes(name: str, kernel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other devices than the CPU refuse lists whose shapes differ."""
    seen: list[list[torch.Size]] = []
    original = getattr(fused, kernel)

    def noting(*lists: Any, **numbers: Any) -> None:
        seen.extend([tensor.shape for tensor in tensors] for tensors in lists[: -1 if name == "adagrad" else 4])
        original(*lists, **numbers)

    params = [torch.ones(2, 3), torch.ones(()), torch.ones(4, 1, 2)]
    optimizer = INDIAN(params, norm=name, fused=True)
    for p in params:
        give_gradient(p, 0)
    fused.is_right(name, CPU, torch.float32)
    monkeypatch.setattr(fused, kernel, noting)
    optimizer.step()
    assert len(seen) >= 3
    assert all(shapes == [p.shape for p in params] for shapes in seen)


def test_norm_without_a_kernel_is_computed_by_the_multi_tensor_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that the table of kernels does not have is no reason to take another norm's kernel."""
    assert not fused.is_right("shampoo", CPU, torch.float32)
    params = [torch.ones(3), torch.ones(3)]
    for param in params:
        optimizer = INDIAN([param], norm="rmsprop", fused=True)
        for k in range(3):
            give_gradient(param, k)
            calls = calls_of(optimizer.step)
        assert calls["aten::_fused_adam_"] == (param is params[0])
        monkeypatch.setattr(fused, "KERNELS", {})
        fused.is_right.cache_clear()
    monkeypatch.undo()
    fused.is_right.cache_clear()
    torch.testing.assert_close(params[0], params[1])


@each_norm
def test_kernel_that_computes_something_else_is_not_taken(
    norm: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    fused.is_right.cache_clear()
    params = [torch.ones(3), torch.ones(3)]
    try:
        with monkeypatch.context() as patched:
            patched.setattr(fused, "fused_adam", lambda *_, **__: None)
            patched.setattr(fused, "fused_adagrad", lambda *_, **__: None)
            optimizer = INDIAN(params[:1], **norm, fused=True)
            for k in range(4):
                give_gradient(params[0], k)
                optimizer.step()
            assert not fused.is_right(norm["norm"], CPU, torch.float32)
    finally:
        fused.is_right.cache_clear()
    optimizer = INDIAN(params[1:], **norm, fused=True)
    for k in range(4):
        give_gradient(params[1], k)
        optimizer.step()
    torch.testing.assert_close(params[0], params[1])


@pytest.mark.parametrize(("name", "kernel"), [("rmsprop", "_fused_adam_"), ("adagrad", "_fused_adagrad_")])
def test_fused_takes_two_kernels_for_each_piece(name: str, kernel: str) -> None:
    """Small tensors share a piece, and a large one is cut into several."""
    for sizes, pieces in (([100] * 5, 1), ([2**18 + 1], 2), ([100, 100, 2**18 + 1, 100, 100], 4)):
        params = [torch.ones(size) for size in sizes]
        optimizer = INDIAN(params, norm=name, fused=True)
        for k in range(3):
            for p in params:
                give_gradient(p, k)
            calls = calls_of(optimizer.step)
            assert calls["aten::_fused_sgd_"] == (pieces if k else 0)
            assert calls[f"aten::{kernel}"] == pieces


@pytest.mark.parametrize(("name", "kernel"), [("rmsprop", "_fused_adam_"), ("adagrad", "_fused_adagrad_")])
def test_foreach_takes_the_same_kernel_for_the_norm_unless_a_gradient_is_in_another_order(
    name: str, kernel: str
) -> None:
    for gradient, expected in ((torch.ones(20, 30), 1), (torch.ones(30, 20).t(), 0)):
        params = [torch.ones(20, 30) for _ in range(3)]
        optimizer = INDIAN(params, norm=name, foreach=True)
        for _ in range(2):
            for p in params:
                p.grad = gradient.clone()
            calls = calls_of(optimizer.step)
            assert calls[f"aten::{kernel}"] == expected
            assert calls["aten::_fused_sgd_"] == 0


@each_norm
@implementations("for_loop", "foreach", "fused")
def test_tensors_of_many_sizes_move_as_alone(flags: dict[str, Any], norm: dict[str, Any]) -> None:
    """However they are cut and gathered into pieces, which ``capturable`` does not do."""
    sizes = (1000, 2**18 + 5, 0, 7, 2**18, 2**17 + 3, 2**17, 1)
    params = [torch.linspace(-1, 1, n) for n in sizes]
    params[1] = params[1].reshape(-1, 3).t() if len(params[1]) % 3 == 0 else params[1]
    alone = [p.clone() for p in params]
    optimizers = [INDIAN(params, **norm, **flags), *(INDIAN([p], **norm, capturable=True) for p in alone)]
    for k in range(3):
        for p in (*params, *alone):
            give_gradient(p, k)
        for optimizer in optimizers:
            optimizer.step()
    torch.testing.assert_close(params, alone, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("name", ["rmsprop", "adagrad"])
@pytest.mark.parametrize("flags", [{"foreach": True}, {"fused": True}, {"foreach": False}], ids=str)
def test_step_needs_a_few_pieces_of_memory(name: str, flags: dict[str, bool]) -> None:
    """Each of 2¹⁸ elements, whatever the size of the parameters."""
    optimizer = INDIAN([torch.ones(2**21), torch.ones(2**10, 2**9)], norm=name, **flags)
    piece = 4 * 2**18
    assert piece <= peak_of_a_step(optimizer) <= 5 * piece
