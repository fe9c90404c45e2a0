"""The trust region's NumPy loop against SciPy, against RMSProp and AdaGrad, and against what it guarantees."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import scipy.optimize
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from indian_core import norms
from indian_core.trust_region import DEFAULTS, Termination, check, model
from indian_core.trust_region.reference import Step, Trajectory, minimize, solve

SUBPROBLEMS = ("steihaug", "lanczos")
NORMS = (None, "rmsprop", "adagrad")

each_subproblem = pytest.mark.parametrize("subproblem", SUBPROBLEMS)
each_norm = pytest.mark.parametrize("norm", NORMS)


class Problem(NamedTuple):
    fun: Callable[..., Any]
    grad: Callable[..., Any]
    hessp: Callable[..., Any]
    start: np.ndarray


def rosenbrock(size: int = 6) -> Problem:
    optimize = scipy.optimize
    start = 1 + np.linspace(-0.6, 0.9, size)
    return Problem(optimize.rosen, optimize.rosen_der, optimize.rosen_hess_prod, start)


def quadratic(matrix: np.ndarray, gradient: np.ndarray) -> Problem:
    return Problem(
        lambda w: gradient @ w + 0.5 * w @ matrix @ w,
        lambda w: gradient + matrix @ w,
        lambda w, v: matrix @ v,
        np.zeros_like(gradient),
    )


def saddle() -> Problem:
    """x² − y² + y⁴ from a start on the ridge y = 0, where the gradient never points off it."""
    return Problem(
        lambda w: w[0] ** 2 - w[1] ** 2 + w[1] ** 4,
        lambda w: np.array([2 * w[0], -2 * w[1] + 4 * w[1] ** 3]),
        lambda w, v: np.array([2 * v[0], (-2 + 12 * w[1] ** 2) * v[1]]),
        np.array([1.0, 0.0]),
    )


def run(problem: Problem, steps: int = 300, **hyperparameters: Any) -> Trajectory:
    return minimize(*problem, steps=steps, **hyperparameters)


SCIPY_RADII = {"radius": 1.0, "max_radius": 1000.0, "expand_factor": 2.0, "expand_ratio": 0.75}


@each_subproblem
@each_norm
def test_same_minimizer_as_scipy(norm: str | None, subproblem: str) -> None:
    problem = rosenbrock()
    method = "trust-ncg" if subproblem == "steihaug" else "trust-krylov"
    peer = scipy.optimize.minimize(
        problem.fun, problem.start, method=method, jac=problem.grad, hessp=problem.hessp, options={"gtol": 1e-10}
    )
    found = run(problem, norm=norm, subproblem=subproblem, **SCIPY_RADII)
    np.testing.assert_allclose(found.theta[-1], peer.x, atol=1e-9)
    assert found.reports[-1].within_rounding


@pytest.mark.parametrize("radius", [0.05, 0.5, 3.0, 500.0])
@pytest.mark.parametrize("signs", ["convex", "indefinite"])
def test_same_step_as_scipys_conjugate_gradients(radius: float, signs: str) -> None:
    """SciPy asks for a residual of min(½, √‖g‖) ‖g‖; with ‖g‖ >= ½ and κ = ½ this is the same."""
    generator = np.random.default_rng(3)
    matrix = generator.normal(size=(12, 12))
    matrix = matrix @ matrix.T if signs == "convex" else matrix + matrix.T
    problem = quadratic(matrix, generator.normal(size=12))
    options = {"initial_trust_radius": radius, "maxiter": 1, "max_trust_radius": 1000.0}
    peer = scipy.optimize.minimize(
        problem.fun, problem.start, method="trust-ncg", jac=problem.grad, hessp=problem.hessp, options=options
    )
    found = run(problem, steps=1, norm=None, tolerance=0.5, radius=radius, max_radius=1000.0)
    np.testing.assert_allclose(found.theta[1], peer.x, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("radius", [0.05, 0.5, 3.0, 500.0])
@pytest.mark.parametrize("signs", ["convex", "indefinite"])
def test_same_step_as_scipys_lanczos_where_both_solve_the_subproblem_exactly(radius: float, signs: str) -> None:
    generator = np.random.default_rng(5)
    matrix = generator.normal(size=(12, 12))
    matrix = matrix @ matrix.T + np.eye(12) if signs == "convex" else matrix + matrix.T
    problem = quadratic(matrix, generator.normal(size=12))
    options = {"initial_trust_radius": radius, "maxiter": 1, "max_trust_radius": 1000.0, "inexact": False}
    peer = scipy.optimize.minimize(
        problem.fun, problem.start, method="trust-krylov", jac=problem.grad, hessp=problem.hessp, options=options
    )
    found = run(problem, steps=1, norm=None, subproblem="lanczos", tolerance=1e-12, radius=radius, max_radius=1000.0)
    np.testing.assert_allclose(found.theta[1], peer.x, rtol=1e-6, atol=1e-7 * radius)
    assert problem.fun(found.theta[1]) <= peer.fun + 1e-10 * abs(peer.fun)


@pytest.mark.parametrize(
    ("norm", "peer"),
    [
        ("rmsprop", lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.0, 0.9), eps=1e-8)),
        ("adagrad", lambda p: torch.optim.Adagrad(p, lr=0.01, eps=1e-8)),
        (None, lambda p: torch.optim.SGD(p, lr=1e-4)),
    ],
)
def test_first_order_steps_are_those_of_rmsprop_and_adagrad(norm: str | None, peer: Callable[..., Any]) -> None:
    """Corollary 1: with Δ = η‖g‖ the step of the linear model is the preconditioned gradient step of length η.

    Adam without momentum is RMSProp with its bias taken out.
    """
    problem, learning_rate = rosenbrock(), 1e-4 if norm is None else 0.01
    chosen = check(DEFAULTS._replace(norm=norm, curvature="none"))
    param = torch.tensor(problem.start, requires_grad=True)
    optimizer = peer([param])
    theta, accumulator = problem.start, np.zeros_like(problem.start)
    for count in range(1, 31):
        gradient = problem.grad(theta)
        coefficients = norms.norm_coefficients(norm, count, 0.9, 1e-8)
        accumulator = norms.accumulate(accumulator, gradient, coefficients)
        diagonal = norms.scale(accumulator, coefficients) * np.ones_like(theta)
        radius = learning_rate * norms.dual_norm(gradient, diagonal)
        found = solve(gradient, None, diagonal, radius, 0.0, chosen)  # type: ignore[arg-type]
        assert found.model_decrease == pytest.approx(learning_rate * norms.dual_norm(gradient, diagonal) ** 2)
        theta = theta + found.step
        param.grad = torch.tensor(problem.grad(param.detach().numpy()))
        optimizer.step()
        np.testing.assert_allclose(theta, param.detach().numpy(), rtol=1e-12)


def test_first_order_steps_need_no_curvature_and_stay_on_the_boundary() -> None:
    problem = rosenbrock()._replace(hessp=lambda w, v: pytest.fail("a product"))
    found = run(problem, steps=50, curvature="none", radius=0.01)
    assert found.reports[-1].loss < found.reports[0].loss
    assert {report.termination for report in found.reports} == {Termination.BOUNDARY}
    assert [report.backpropagations for report in found.reports] == list(range(1, 51))


def subproblem_of(seed: int, size: int, dtype: Any, spread: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A gradient, a symmetric matrix with eigenvalues of both signs, and a diagonal, that are ill-conditioned."""
    generator = np.random.default_rng(seed)
    scales = 10 ** generator.uniform(-spread, spread, size)
    matrix = generator.normal(size=(size, size))
    matrix = (matrix + matrix.T) * np.outer(scales, scales)
    gradient = generator.normal(size=size) * scales
    diagonal = 10 ** generator.uniform(-spread, spread, size)
    return gradient.astype(dtype), matrix.astype(dtype), diagonal.astype(dtype)


def solved(
    gradient: np.ndarray, matrix: np.ndarray, diagonal: np.ndarray, radius: float, **hyperparameters: Any
) -> Step:
    chosen = check(DEFAULTS._replace(**hyperparameters))
    return solve(gradient, lambda v: matrix @ v, diagonal, gradient.dtype.type(radius), 0.0, chosen)


@settings(max_examples=60)
@given(
    st.integers(0, 2**32),
    st.integers(1, 30),
    st.floats(-4, 2),
    st.floats(0, 2),
    st.sampled_from([np.float32, np.float64]),
    st.sampled_from(SUBPROBLEMS),
)
def test_step_stays_in_the_ellipsoid_and_beats_the_cauchy_point(
    seed: int, size: int, radius: float, spread: float, dtype: Any, subproblem: str
) -> None:
    gradient, matrix, diagonal = subproblem_of(seed, size, dtype, spread)
    found = solved(gradient, matrix, diagonal, 10**radius, subproblem=subproblem, tolerance=1e-3)
    eps = float(np.finfo(dtype).eps)
    g, b, a, s = (array.astype(np.float64) for array in (gradient, matrix, diagonal, found.step))
    assert norms.norm(s, a) <= 10**radius * (1 + 4 * eps)
    decrease = model.model_decrease(g @ s, s @ b @ s)
    cauchy = model.cauchy_decrease(norms.dual_norm(g, a), (g / a) @ b @ (g / a), 10**radius)
    # The terms of the decrease may be larger than itself, and each has its rounding error.
    terms = np.abs(g) @ np.abs(s) + np.abs(s) @ np.abs(b) @ np.abs(s)
    assert decrease >= cauchy * (1 - 1e-6) - 20 * eps * terms
    assert found.model_decrease == pytest.approx(decrease, rel=1e-6, abs=50 * eps * terms * found.iterations)


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.integers(2, 12), st.floats(-3, 1))
def test_lanczos_beats_the_eigenpoint(seed: int, size: int, radius: float) -> None:
    gradient, matrix, diagonal = subproblem_of(seed, size, np.float64, 0.5)
    found = solved(gradient, matrix, diagonal, 10**radius, subproblem="lanczos", tolerance=1e-6)
    root = np.sqrt(diagonal)
    eigenvalues, eigenvectors = np.linalg.eigh(matrix / np.outer(root, root))
    direction = eigenvectors[:, 0] / root
    eigenpoint = model.eigenpoint_decrease(gradient @ direction, eigenvalues[0], 10**radius)
    assert found.model_decrease >= eigenpoint * (1 - 1e-6)


@each_subproblem
@each_norm
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_loss_at_accepted_steps_never_grows_and_the_run_ends_cleanly(
    dtype: Any, norm: str | None, subproblem: str
) -> None:
    """Also where the loss, whose minimum is 5, changes by less than it is rounded."""
    problem = rosenbrock()._replace(
        fun=lambda w: dtype(5) + scipy.optimize.rosen(w).astype(dtype),
        grad=lambda w: scipy.optimize.rosen_der(w).astype(dtype),
        hessp=lambda w, v: scipy.optimize.rosen_hess_prod(w, v).astype(dtype),
        start=rosenbrock().start.astype(dtype),
    )
    found = run(problem, norm=norm, subproblem=subproblem, **SCIPY_RADII)
    accepted = [report for report in found.reports if report.accepted]
    losses = np.array([report.loss for report in accepted] + [accepted[-1].trial_loss])
    assert losses.dtype == found.theta.dtype == dtype
    assert (np.diff(losses) <= 0).all()
    last = found.reports[-1]
    assert last.within_rounding
    assert last.loss <= 5 * (1 + 1e3 * np.finfo(dtype).eps)
    # The radius is not what ended it.
    assert last.radius > 0.1
    # All that comes after is more of the same.
    later = run(problem._replace(start=found.theta[-1]), steps=5, norm=norm, subproblem=subproblem, **SCIPY_RADII)
    assert later.reports[-1].radius >= SCIPY_RADII["radius"]


@each_subproblem
def test_a_rejected_step_changes_nothing_but_the_radius(subproblem: str) -> None:
    problem = rosenbrock()
    found = run(problem, steps=60, norm="adagrad", subproblem=subproblem, radius=5.0, max_radius=1000.0)
    pairs = list(zip(found.reports, found.reports[1:], strict=False))
    rejected = [(k, report, later) for k, (report, later) in enumerate(pairs) if not report.accepted]
    assert rejected
    for k, report, later in rejected:
        np.testing.assert_array_equal(found.theta[k + 1], found.theta[k])
        assert report.radius == pytest.approx((found.reports[k - 1].radius if k else 5.0) / 1.5)
        # The same gradient has the same norm: the ellipsoid has kept its shape.
        assert later.gradient_norm == report.gradient_norm
        assert later.loss == report.loss


def test_a_saddle_is_escaped_by_lanczos_alone() -> None:
    stays = run(saddle(), norm=None, radius=0.5)
    np.testing.assert_array_equal(stays.theta[-1], 0)
    for norm in NORMS:
        escapes = run(saddle(), norm=norm, radius=0.5, subproblem="lanczos")
        np.testing.assert_allclose(np.abs(escapes.theta[-1]), [0, np.sqrt(0.5)], atol=1e-7)
        assert any(report.negative_curvature for report in escapes.reports)


@each_subproblem
@pytest.mark.parametrize("curvature", ["hessian", "none"])
def test_a_zero_gradient_stops_cleanly(subproblem: str, curvature: str) -> None:
    problem = quadratic(np.diag([1.0, 2.0]), np.zeros(2))
    found = run(problem, subproblem=subproblem, curvature=curvature, radius=0.5)
    assert len(found.reports) == 1
    report = found.reports[0]
    np.testing.assert_array_equal(found.theta[1], 0)
    assert report.within_rounding
    assert report.radius == 0.5
    assert report.termination == Termination.CONVERGED
    assert report.step_norm == report.model_decrease == 0
    assert np.isfinite([report.loss, report.ratio, report.gradient_norm]).all()


@each_subproblem
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_trial_loss_that_is_not_finite_is_a_rejected_step(value: float, subproblem: str) -> None:
    """The loss ends at a wall, beyond which it is not finite."""
    problem = Problem(lambda w: value if w[0] > 1 else -w.sum(), lambda w: -np.ones(2), lambda w, v: 0 * v, np.zeros(2))
    found = run(problem, steps=40, norm=None, subproblem=subproblem, radius=4.0)
    assert not found.reports[0].accepted
    assert not np.isfinite(found.reports[0].trial_loss)
    assert any(report.accepted for report in found.reports)
    assert (found.theta[:, 0] <= 1).all()
    assert found.theta[-1, 0] > 0.9


@each_subproblem
@pytest.mark.parametrize("where", ["loss", "gradient", "product"])
def test_a_loss_or_derivative_that_is_not_finite_is_a_rejected_step(where: str, subproblem: str) -> None:
    problem = quadratic(np.eye(3), np.ones(3))
    broken = {
        "loss": problem._replace(fun=lambda w: np.nan),
        "gradient": problem._replace(grad=lambda w: np.array([1.0, np.nan, 1.0])),
        "product": problem._replace(hessp=lambda w, v: np.full(3, np.nan)),
    }[where]
    with np.errstate(invalid="ignore"):
        found = run(broken, steps=3, norm="rmsprop", subproblem=subproblem, radius=0.5)
    np.testing.assert_array_equal(found.theta, 0)
    assert not any(report.accepted for report in found.reports)


@each_subproblem
def test_backpropagations_are_counted_where_they_happen(subproblem: str) -> None:
    problem, calls = rosenbrock(), []

    def grad(w: np.ndarray) -> np.ndarray:
        calls.append("gradient")
        return problem.grad(w)

    def hessp(w: np.ndarray, v: np.ndarray) -> np.ndarray:
        calls.append("product")
        return problem.hessp(w, v)

    found = run(problem._replace(grad=grad, hessp=hessp), subproblem=subproblem, **SCIPY_RADII)
    assert found.reports[-1].backpropagations == len(calls)


@each_subproblem
def test_the_iteration_limit_ends_the_search_with_a_step(subproblem: str) -> None:
    generator = np.random.default_rng(0)
    matrix = generator.normal(size=(30, 30))
    problem = quadratic(matrix @ matrix.T, generator.normal(size=30))
    found = run(
        problem, steps=1, norm=None, subproblem=subproblem, max_iterations=4, radius=1e3, max_radius=1e3, tolerance=1e-6
    )
    assert found.reports[0].termination == Termination.ITERATION_LIMIT
    assert found.reports[0].iterations == 4
    assert found.reports[0].accepted


@each_subproblem
def test_one_parameter(subproblem: str) -> None:
    problem = Problem(lambda w: np.cosh(w[0]), lambda w: np.sinh(w), lambda w, v: np.cosh(w) * v, np.array([3.0]))
    found = run(problem, subproblem=subproblem, radius=1.0)
    assert abs(found.theta[-1, 0]) < 1e-7


def test_a_bad_hyperparameter_is_refused_before_anything_is_called() -> None:
    with pytest.raises(ValueError, match="radius must be a finite number > 0, got 0"):
        minimize(None, None, None, np.ones(1), steps=1, radius=0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="steps must be an integer >= 0, got -1"):
        minimize(None, None, None, np.ones(1), steps=-1)  # type: ignore[arg-type]
