"""The trust region in PyTorch: the NumPy loop's trajectory, what a step guarantees, its state."""

import copy
import io
import pickle
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict, set_optimizer_state_dict
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.checkpoint import checkpoint

from indian_core.trust_region import Report, Termination
from indian_core.trust_region.problem import Problem
from indian_core.trust_region.reference import minimize
from indian_core.trust_region.subproblem import solve
from indian_torch import TrustRegion
from indian_torch._trust_region.space import TorchSpace

SUBPROBLEMS = ("steihaug", "lanczos")
NORMS = (None, "rmsprop", "adagrad")

each_subproblem = pytest.mark.parametrize("subproblem", SUBPROBLEMS)
each_norm = pytest.mark.parametrize("norm", NORMS)


def rosenbrock(x: Tensor) -> Tensor:
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


START = 1 + np.linspace(-0.6, 0.9, 6)


def numpy_derivatives(loss: Callable[[Tensor], Tensor]) -> tuple[Any, Any, Any]:
    """The loss of a vector, its gradient and products with its Hessian, on NumPy arrays."""

    def gradient(w: np.ndarray) -> np.ndarray:
        return torch.func.grad(loss)(torch.tensor(w)).numpy()

    def product(w: np.ndarray, v: np.ndarray) -> np.ndarray:
        return torch.func.vjp(torch.func.grad(loss), torch.tensor(w))[1](torch.tensor(v))[0].numpy()

    return lambda w: loss(torch.tensor(w)).numpy(), gradient, product


def assert_same_report(actual: Report, expected: Report) -> None:
    for name in ("accepted", "iterations", "termination", "negative_curvature", "backpropagations", "within_rounding"):
        assert getattr(actual, name) == getattr(expected, name), name
    for name in ("loss", "trial_loss", "model_decrease", "ratio", "radius", "gradient_norm", "step_norm"):
        np.testing.assert_allclose(getattr(actual, name), getattr(expected, name), rtol=1e-6, err_msg=name)


@each_subproblem
@each_norm
@pytest.mark.parametrize("curvature", ["hessian", "none"])
def test_same_trajectory_and_reports_as_the_numpy_loop(norm: str | None, subproblem: str, curvature: str) -> None:
    options: dict[str, Any] = {"norm": norm, "subproblem": subproblem, "curvature": curvature, "radius": 1.0}
    expected = minimize(*numpy_derivatives(rosenbrock), START, steps=14, **options)
    x = torch.tensor(START, requires_grad=True)
    optimizer = TrustRegion([x], **options)
    for theta, report in zip(expected.theta[1:], expected.reports, strict=True):
        loss = optimizer.step(lambda: rosenbrock(x))
        np.testing.assert_allclose(x.detach().numpy(), theta, rtol=1e-9)
        assert_same_report(optimizer.report, report)
        assert loss.item() == optimizer.report.loss


class ManyShapes(torch.nn.Module):
    """Parameters of several shapes and layouts, one that has no part in the loss, and one that is frozen."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)

        def make(*shape: int) -> torch.nn.Parameter:
            return torch.nn.Parameter(torch.randn(shape, generator=generator, dtype=torch.float64))

        self.matrix = torch.nn.Parameter(make(4, 3).detach().T.requires_grad_())
        self.vector, self.scalar, self.empty = make(4), make(), make(0, 2)
        self.unused, self.frozen = make(2), make(3).requires_grad_(False)
        self.x = torch.randn(9, 3, generator=generator, dtype=torch.float64)

    def loss(self) -> Tensor:
        hidden = torch.tanh((self.x + self.frozen) @ self.matrix) @ self.vector
        return (hidden - self.scalar).square().mean() + self.empty.sum()


@each_subproblem
@each_norm
def test_groups_of_parameters_are_one_vector(norm: str | None, subproblem: str) -> None:
    """Two groups, and parameters of several shapes, take the steps of one vector; what has no gradient stays."""
    options: dict[str, Any] = {"norm": norm, "subproblem": subproblem, "radius": 0.3}
    model, twin = ManyShapes(), ManyShapes()
    params = [model.matrix, model.vector, model.scalar, model.empty, model.unused]
    start = torch.cat([p.detach().reshape(-1) for p in params])

    def of_vector(w: Tensor) -> Tensor:
        hidden = torch.tanh((twin.x + twin.frozen) @ w[:12].view(3, 4)) @ w[12:16]
        return (hidden - w[16]).square().mean() + 0 * w[17:].sum()

    expected = minimize(*numpy_derivatives(of_vector), start.numpy(), steps=4, **options)
    optimizer = TrustRegion([{"params": params[:2]}, {"params": [*params[2:], model.frozen]}], **options)
    for theta, report in zip(expected.theta[1:], expected.reports, strict=True):
        optimizer.step(model.loss)
        actual = torch.cat([p.detach().reshape(-1) for p in params]).numpy()
        # A rounding error in the start of the NumPy loop moves its Lanczos run in the ball by 8e-9.
        np.testing.assert_allclose(actual, theta, rtol=1e-7, atol=1e-10)
        assert_same_report(optimizer.report, report)
    assert torch.equal(model.unused, twin.unused)
    assert torch.equal(model.frozen, twin.frozen)
    assert all(p.grad is None for p in model.parameters())


@each_subproblem
def test_a_rejected_step_changes_nothing_but_the_radius(subproblem: str) -> None:
    x = torch.tensor(START, dtype=torch.float32, requires_grad=True)
    optimizer = TrustRegion([x], subproblem=subproblem, radius=0.3, norm="adagrad")
    rejected = 0
    for _ in range(25):
        before, state = x.detach().clone(), copy.deepcopy(optimizer.state_dict())
        optimizer.step(lambda: rosenbrock(x))
        if not optimizer.report.accepted:
            rejected += 1
            # Bit by bit.
            assert torch.equal(x, before)
            shared, after = state["state"][0], optimizer.state_dict()["state"][0]
            assert after["radius"] == pytest.approx(shared["radius"] / 1.5)
            assert after.keys() == shared.keys()
            assert after["steps"] == shared["steps"]
            if "accumulator" in after:
                assert torch.equal(after["accumulator"], shared["accumulator"])
            optimizer.radius = 0.3
        elif optimizer.radius < 10 / 1.5:
            optimizer.radius *= 1.5
    assert 0 < rejected < 25


@each_subproblem
@each_norm
def test_loss_at_accepted_full_batch_steps_never_grows(norm: str | None, subproblem: str) -> None:
    """In float32, until the loss is all rounding errors, and beyond."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
    x = torch.randn(30, 3)
    y = torch.randn(30, 1)
    optimizer = TrustRegion(model.parameters(), norm=norm, subproblem=subproblem, radius=1.0, expand_factor=2.0)
    losses, reports = [], []
    for _ in range(60):
        losses.append(optimizer.step(lambda: (model(x) - y).square().mean()).item())
        reports.append(optimizer.report)
        assert reports[-1].step_norm <= (reports[-2].radius if len(reports) > 1 else 1.0) * (1 + 1e-6)
    assert (np.diff(losses) <= 0).all()
    assert losses[-1] < 0.8 * losses[0]
    assert reports[-1].radius > 1e-6


def test_a_saddle_is_escaped_by_lanczos_alone() -> None:
    """A network of zeros: the gradient is zero in all but the last bias, and no Newton step leads away."""
    final = {}
    for method in SUBPROBLEMS:
        torch.manual_seed(0)
        x = torch.randn(40, 2, dtype=torch.float64)
        model = torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1)).double()
        for param in model.parameters():
            torch.nn.init.zeros_(param)
        optimizer = TrustRegion(model.parameters(), subproblem=method, norm=None, radius=0.5)
        for _ in range(40):
            final[method] = optimizer.step(lambda: (model(x) - x[:, :1]).square().mean()).item()  # noqa: B023
        if method == "steihaug":
            assert optimizer.report.within_rounding
    variance = torch.var(x[:, 0], correction=0).item()
    assert final["steihaug"] == pytest.approx(variance)
    assert final["lanczos"] < 0.01 * variance


@each_subproblem
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_trial_loss_that_is_not_finite_is_a_rejected_step(value: float, subproblem: str) -> None:
    x = torch.zeros(2, requires_grad=True)
    optimizer = TrustRegion([x], norm=None, subproblem=subproblem, radius=4.0)
    wall = torch.tensor(value)
    optimizer.step(lambda: torch.where(x[0] > 1, wall, (x - 3).square().sum()))
    assert not optimizer.report.accepted
    assert not np.isfinite(optimizer.report.trial_loss)
    assert torch.equal(x, torch.zeros(2))
    assert optimizer.radius == pytest.approx(4 / 1.5)
    for _ in range(20):
        optimizer.step(lambda: torch.where(x[0] > 1, wall, (x - 3).square().sum()))
    assert 0.5 < x[0].item() <= 1


@each_subproblem
def test_a_gradient_that_is_not_finite_is_a_rejected_step(subproblem: str) -> None:
    x = torch.zeros(2, requires_grad=True)
    optimizer = TrustRegion([x], subproblem=subproblem, radius=1.0)
    optimizer.step(lambda: (x.sqrt() + x).sum())
    assert not optimizer.report.accepted
    assert optimizer.report.termination == Termination.NOT_FINITE
    assert torch.equal(x, torch.zeros(2))
    # The norm has not seen it.
    optimizer.step(lambda: (x - 1).square().sum())
    assert optimizer.report.accepted


@each_subproblem
@pytest.mark.parametrize("curvature", ["hessian", "none"])
def test_a_zero_gradient_stops_cleanly(subproblem: str, curvature: str) -> None:
    x = torch.zeros(2, requires_grad=True)
    optimizer = TrustRegion([x], subproblem=subproblem, curvature=curvature, radius=0.5)
    for _ in range(2):
        optimizer.step(lambda: x.square().sum())
        report = optimizer.report
        assert torch.equal(x, torch.zeros(2))
        assert (report.radius, report.step_norm, report.termination) == (0.5, 0, Termination.CONVERGED)
        assert report.within_rounding


def test_a_loss_without_curvature_is_a_linear_model() -> None:
    x = torch.zeros(2, requires_grad=True)
    optimizer = TrustRegion([x], norm=None, radius=0.5)
    optimizer.step(lambda: (torch.tensor([3.0, 4.0]) * x).sum())
    torch.testing.assert_close(x.detach(), torch.tensor([-0.3, -0.4]))


@each_subproblem
def test_a_loss_in_float64_is_known_to_the_precision_of_the_parameters(subproblem: str) -> None:
    """Else the radius would shrink without end at the minimum, by rounding errors of the parameters."""
    x = torch.tensor([3.0, -4.0, 2.0], requires_grad=True)
    scales = torch.tensor([1.0, 1e6, 1e3], dtype=torch.float64)
    optimizer = TrustRegion([x], norm=None, radius=10.0, tolerance=1e-3, subproblem=subproblem)
    for _ in range(20):
        optimizer.step(lambda: (scales * (x.double() - 1 / 3) ** 2).sum() + 1)
    assert optimizer.report.within_rounding
    assert optimizer.radius == 10


@pytest.mark.parametrize("curvature", ["hessian", "none"])
def test_both_losses_draw_the_same_random_numbers(curvature: str) -> None:
    """With dropout the loss would else be another function at the trial point; and the steps must differ."""
    torch.manual_seed(0)
    dropout, seen = torch.nn.Dropout(0.5), []
    x = torch.ones(50, requires_grad=True)

    def closure() -> Tensor:
        kept = dropout(x)
        seen.append(kept.detach() != 0)
        return kept.square().mean()

    optimizer = TrustRegion([x], norm=None, curvature=curvature, radius=0.1)
    for _ in range(2):
        optimizer.step(closure)
        assert torch.equal(seen[-1], seen[-2])
        assert optimizer.report.ratio > 0.9
    assert not torch.equal(seen[0], seen[2])


def run(optimizer: TrustRegion, model: ManyShapes, steps: int) -> list[Report]:
    reports = []
    for _ in range(steps):
        optimizer.step(model.loss)
        reports.append(optimizer.report)
    return reports


def saved_and_loaded(state: Any) -> Any:
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@each_norm
@pytest.mark.parametrize("way", ["state_dict", "pickle", "deepcopy"])
def test_a_run_goes_on_as_if_it_had_not_been_interrupted(norm: str | None, way: str) -> None:
    options: dict[str, Any] = {"norm": norm, "radius": 0.3, "max_iterations": 3, "expand_factor": 1.3}
    model = ManyShapes()
    optimizer = TrustRegion(model.parameters(), **options)
    run(optimizer, model, 5)
    if way == "state_dict":
        other = ManyShapes()
        other.load_state_dict(model.state_dict())
        restored = TrustRegion(other.parameters())
        restored.load_state_dict(saved_and_loaded(optimizer.state_dict()))
    else:
        through = copy.deepcopy if way == "deepcopy" else lambda pair: pickle.loads(pickle.dumps(pair))
        other, restored = through((model, optimizer))
    assert restored.radius == optimizer.radius
    assert run(restored, other, 4) == run(optimizer, model, 4)
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), other.parameters(), strict=True))


def test_a_report_is_plain_numbers_and_absent_before_the_first_step() -> None:
    model = ManyShapes()
    optimizer = TrustRegion(model.parameters())
    assert optimizer.report is None
    (report,) = run(optimizer, model, 1)
    assert {type(value) for value in report} == {float, int, bool, Termination}
    assert pickle.loads(pickle.dumps(optimizer)).report is None


def test_the_state_is_what_the_documentation_lists() -> None:
    model = ManyShapes()
    optimizer = TrustRegion(model.parameters(), radius=0.1)
    run(optimizer, model, 2)
    first, *others = [optimizer.state[param] for param in model.parameters() if param.requires_grad]
    assert first.keys() == {"radius", "steps", "backpropagations", "accumulator"}
    assert all(state.keys() == {"accumulator"} for state in others)
    assert model.frozen not in optimizer.state
    without_norm = TrustRegion(model.parameters(), norm=None, radius=0.1)
    run(without_norm, model, 1)
    assert list(without_norm.state) == [model.matrix]


class Living(TorchDispatchMode):
    """Counts the memory blocks of one size that operations have filled and that are still alive."""

    def __init__(self, nbytes: int) -> None:
        super().__init__()
        self.nbytes, self.tensors = nbytes, []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        if isinstance(result, Tensor) and result.untyped_storage().nbytes() == self.nbytes:
            self.tensors.append(weakref.ref(result))
        return result

    def count(self) -> int:
        living = [reference() for reference in self.tensors]
        return len({tensor.untyped_storage().data_ptr() for tensor in living if tensor is not None})


@each_subproblem
def test_number_of_large_buffers_is_constant(subproblem: str) -> None:
    """The vectors that are alive at a product do not grow with the iterations."""
    alive, size = [], 1001
    spectrum, gradient = torch.linspace(1, 1e3, size, dtype=torch.float64), torch.ones(size, dtype=torch.float64)

    with Living(8 * size) as living:

        def product(vector: Tensor) -> Tensor:
            alive.append(living.count())
            return spectrum * vector

        problem = Problem(gradient, product, 1e3, loss=1.0, loss_eps=1e-7, tolerance=1e-9, max_iterations=12)
        found = solve(problem, TorchSpace(gradient.clone()), subproblem)
    assert found.iterations == 12
    # A, s, r and d, or A, s, q and the q before; Bd, which the product makes, and g come on top.
    assert max(alive) <= 4


def regression(dtype: torch.dtype = torch.float32) -> tuple[torch.nn.Module, Tensor, Tensor]:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1)).to(dtype)
    x = torch.randn(64, 4, dtype=dtype)
    return model, x, torch.sin(x[:, :1])


def test_a_step_within_autocast_is_judged_with_the_weights_of_the_trial() -> None:
    """Autocast caches the cast of a weight, and would take the old one for the trial."""
    model, x, y = regression()
    optimizer = TrustRegion(model.parameters(), radius=0.1, norm=None)
    losses, ratios = [], []
    for _ in range(30):
        with torch.autocast("cpu", torch.bfloat16):
            losses.append(optimizer.step(lambda: (model(x).float() - y).square().mean()).item())
            # Nor must the casts of a rejected trial outlive it.
            now = (model(x).float() - y).square().mean().item()
        assert optimizer.report is not None
        ratios.append(optimizer.report.ratio)
        with torch.autocast("cpu", torch.bfloat16):
            assert now == (model(x).float() - y).square().mean().item()
    assert losses[-1] < 0.7 * losses[0]
    assert ratios.count(0.0) < 3


def test_a_perfectly_fitted_batch_leaves_the_radius_alone() -> None:
    """Its loss is exactly 0, and its gradient made of rounding errors."""
    weight = torch.tensor([30.0, -30.0], requires_grad=True)
    other = torch.tensor([1.0], requires_grad=True)
    optimizer = TrustRegion([weight, other], radius=0.5, norm=None, curvature="none")
    fitted = lambda: torch.nn.functional.cross_entropy(weight[None] + 0 * other, torch.tensor([0]))  # noqa: E731
    assert fitted().item() == 0
    for k in range(200):
        before = optimizer.radius
        optimizer.step(fitted if k % 2 else lambda: (other**2).sum() + 0 * weight.sum())
        if k % 2:
            assert optimizer.radius == before
    assert optimizer.radius > 1e-4


def test_a_closure_that_does_not_see_the_step_is_named_once() -> None:
    model, x, y = regression()
    optimizer = TrustRegion(model.parameters(), radius=0.1)

    def train() -> None:
        for _ in range(10):
            loss = (model(x) - y).square().mean()
            optimizer.step(lambda loss=loss: loss)

    with pytest.warns(UserWarning, match="closure does not see the step") as caught:
        train()
    assert len(caught) == 1
    assert caught[0].filename == __file__


def test_a_closure_with_a_batch_of_its_own_in_each_call_is_named_once() -> None:
    model, x, y = regression()
    optimizer = TrustRegion(model.parameters(), radius=0.1)
    generator = np.random.default_rng(0)

    def closure() -> Tensor:
        rows = torch.from_numpy(generator.integers(0, 64, 4))
        return (model(x[rows]) - y[rows]).square().mean()

    def train() -> None:
        for _ in range(300):
            optimizer.step(closure)

    with pytest.warns(UserWarning, match="not the same function") as caught:
        train()
    assert len(caught) == 1


def test_a_first_group_without_parameters_is_no_obstacle() -> None:
    x = torch.tensor([3.0, -4.0], requires_grad=True)
    optimizer = TrustRegion([{"params": []}, {"params": [x]}], radius=1.0, norm=None)
    for _ in range(10):
        optimizer.step(lambda: x.square().sum())
    assert x.abs().max() < 1e-3
    assert optimizer.radius >= 1.0


@each_norm
def test_a_saved_state_is_a_snapshot_and_a_loaded_one_shares_nothing(norm: str | None) -> None:
    model = ManyShapes()
    optimizer = TrustRegion(model.parameters(), norm=norm, radius=0.3)
    run(optimizer, model, 2)
    saved = optimizer.state_dict()
    kept = copy.deepcopy(saved)
    other_model = ManyShapes()
    other = TrustRegion(other_model.parameters(), norm=norm)
    other.load_state_dict(saved)
    own = copy.deepcopy(optimizer.state_dict())
    run(other, other_model, 2)
    torch.testing.assert_close(optimizer.state_dict()["state"], own["state"], rtol=0, atol=0)
    run(optimizer, model, 2)
    torch.testing.assert_close(saved["state"], kept["state"], rtol=0, atol=0)
    assert saved["param_groups"] == kept["param_groups"]


def test_a_fresh_optimizer_gives_its_state_to_distributed_checkpoints() -> None:
    """They ask for it with a step without a closure, at gradients of zero."""
    model, x, y = regression()
    optimizer = TrustRegion(model.parameters(), radius=0.1)
    before = copy.deepcopy(model.state_dict())
    fresh = get_optimizer_state_dict(model, optimizer)
    assert fresh["state"]["0.weight"].keys() == {"radius", "steps", "backpropagations", "accumulator"}
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)
    for _ in range(3):
        optimizer.step(lambda: (model(x) - y).square().mean())
    restored = TrustRegion(model.parameters())
    set_optimizer_state_dict(model, restored, get_optimizer_state_dict(model, optimizer))
    torch.testing.assert_close(restored.state_dict()["state"], optimizer.state_dict()["state"], rtol=0, atol=0)
    assert restored.state_dict()["param_groups"] == optimizer.state_dict()["param_groups"]
    with pytest.raises(TypeError, match="closure must be a function that returns the loss, got a NoneType"):
        restored.step(None)


@pytest.mark.parametrize("curvature", ["hessian", "none"])
@pytest.mark.parametrize("where", ["first", "last"])
def test_reentrant_checkpoints_are_named(curvature: str, where: str) -> None:
    """After a checkpoint that comes first, its layers would silently have no gradient."""
    model, x, y = regression()
    optimizer = TrustRegion(model.parameters(), curvature=curvature, radius=0.1)

    def closure(use_reentrant: bool) -> Tensor:
        hidden = x.clone().requires_grad_()
        for layer in model:
            inside = layer is model[0 if where == "first" else 2]
            hidden = checkpoint(layer, hidden, use_reentrant=use_reentrant) if inside else layer(hidden)
        return (hidden - y).square().mean()

    with pytest.raises(RuntimeError, match="gradient checkpointing in the closure must be called with use_reentrant=F"):
        optimizer.step(lambda: closure(True))
    optimizer.step(lambda: closure(False))
    assert optimizer.report is not None
    assert optimizer.report.accepted
