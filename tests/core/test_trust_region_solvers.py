"""The solvers over NumPy's space against the loops of the reference, which are written out by themselves."""

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from indian_core.trust_region import DEFAULTS, Termination, check, reference
from indian_core.trust_region.numpy_space import NumPySpace
from indian_core.trust_region.problem import Problem, Solution
from indian_core.trust_region.subproblem import SUBPROBLEMS, solve

# After more of them, rounding errors alone make two runs of Lanczos differ.
MAX_ITERATIONS = 5


def solved(
    subproblem: str, gradient: np.ndarray, matrix: np.ndarray | None, diagonal: np.ndarray, radius: float
) -> tuple[Solution, Any]:
    """The step of the solver, and that of the reference."""
    eps = float(np.finfo(gradient.dtype).eps)
    product = None if matrix is None else (lambda v: matrix @ v)
    limits: dict[str, Any] = {"tolerance": 1e-3, "max_iterations": MAX_ITERATIONS}
    problem = Problem(gradient, product, radius, loss=1.0, loss_eps=eps, **limits)
    curvature = "none" if matrix is None else "hessian"
    chosen = check(DEFAULTS._replace(subproblem=subproblem, curvature=curvature, **limits))
    expected = reference.solve(gradient, product, diagonal, radius, 1.0, chosen)  # type: ignore[arg-type]
    return solve(problem, NumPySpace(diagonal), subproblem), expected


def assert_same(found: Solution, expected: Any, rtol: float) -> None:
    size = max(np.abs(expected.step).max(), np.finfo(expected.step.dtype).tiny)
    np.testing.assert_allclose(found.step, expected.step, rtol=0, atol=rtol * size)
    for name in ("iterations", "termination", "negative_curvature", "products"):
        assert getattr(found, name) == getattr(expected, name), name
    assert found.model_decrease == pytest.approx(expected.model_decrease, rel=rtol, abs=1e-300)


@settings(max_examples=100)
@given(
    st.sampled_from(sorted(SUBPROBLEMS)),
    st.integers(0, 2**32),
    st.integers(1, 12),
    st.floats(-3, 2),
    st.booleans(),
)
@example("lanczos", 0, 1, 0.0, True)
def test_every_solver_takes_the_step_of_the_reference(
    subproblem: str, seed: int, size: int, radius: float, convex: bool
) -> None:
    generator = np.random.default_rng(seed)
    matrix = generator.normal(size=(size, size))
    matrix = matrix @ matrix.T + np.eye(size) if convex else matrix + matrix.T
    gradient, diagonal = generator.normal(size=size), 10 ** generator.uniform(-1, 1, size)
    found, expected = solved(subproblem, gradient, matrix, diagonal, 10**radius)
    assert_same(found, expected, 1e-7)


@pytest.mark.parametrize("subproblem", SUBPROBLEMS)
def test_without_a_product_the_step_is_the_first_order_one(subproblem: str) -> None:
    found, expected = solved(subproblem, np.array([3.0, -4.0]), None, np.array([1.0, 4.0]), 0.5)
    assert_same(found, expected._replace(termination=Termination.BOUNDARY), 1e-14)


@pytest.mark.parametrize("subproblem", SUBPROBLEMS)
@pytest.mark.parametrize("matrix", [np.diag([1.0, 2.0]), np.diag([1.0, -2.0]), np.zeros((2, 2))])
def test_a_zero_gradient(subproblem: str, matrix: np.ndarray) -> None:
    """Where Lanczos starts again from the probe, and Steihaug stops."""
    found, expected = solved(subproblem, np.zeros(2), matrix, np.ones(2), 0.5)
    assert_same(found, expected, 1e-12)
    assert (found.negative_curvature and found.step.any()) == (subproblem == "lanczos" and matrix[1, 1] < 0)


@pytest.mark.parametrize("subproblem", SUBPROBLEMS)
@pytest.mark.parametrize("where", ["gradient", "product"])
def test_what_is_not_finite_ends_the_search(subproblem: str, where: str) -> None:
    gradient, matrix = np.array([1.0, 2.0]), np.eye(2)
    (gradient if where == "gradient" else matrix)[0] = np.nan
    with np.errstate(invalid="ignore"):
        found, expected = solved(subproblem, gradient, matrix, np.ones(2), 0.5)
    assert found.termination == expected.termination == Termination.NOT_FINITE
    assert found.iterations == expected.iterations


@pytest.mark.parametrize("subproblem", SUBPROBLEMS)
@pytest.mark.parametrize("radius", [1e-3, 1e3])
def test_the_arguments_stay_as_they_are(subproblem: str, radius: float) -> None:
    gradient, matrix, diagonal = np.array([1.0, 2.0]), np.array([[2.0, 1.0], [1.0, -3.0]]), np.array([1.0, 4.0])
    before = [array.copy() for array in (gradient, matrix, diagonal)]
    solved(subproblem, gradient, matrix, diagonal, radius)
    for array, copy in zip((gradient, matrix, diagonal), before, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize("subproblem", SUBPROBLEMS)
def test_float32_stays_float32(subproblem: str) -> None:
    gradient, matrix = np.array([1.0, 2.0], np.float32), np.array([[2.0, 1.0], [1.0, 3.0]], np.float32)
    found, expected = solved(subproblem, gradient, matrix, np.ones(2, np.float32), 0.25)
    assert found.step.dtype == np.float32
    assert_same(found, expected, 1e-5)


def test_a_name_that_is_in_no_table_is_refused() -> None:
    with pytest.raises(KeyError, match="cg"):
        solve(Problem(np.ones(1), None, 1.0, 0.0, 1e-16, 0.1, 9), NumPySpace(np.ones(1)), "cg")
