"""The region of stability against the eigenvalues of a step, as NumPy finds them."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from indian_core.dynamics import phase_step
from indian_core.reference import trajectory
from indian_core.stability import is_stable, largest_stable_step_size, spectral_radius, stable_curvatures

alphas = st.just(0.0) | st.floats(1e-3, 100)
betas = st.floats(1e-3, 100)
step_sizes = st.floats(1e-4, 100)
curvatures = st.floats(1e-4, 1e4)


def eigenvalue_radius(step_size: float, alpha: float, beta: float, curvature: float) -> float:
    """Of the linear map of (θ, ψ) that a step in phase form is, by NumPy."""
    columns = [
        phase_step(theta, phase, curvature * theta, step_size, alpha, beta) for theta, phase in ((1.0, 0.0), (0.0, 1.0))
    ]
    return float(abs(np.linalg.eigvals(np.array(columns).T)).max())


@given(step_sizes, alphas, betas, st.floats(-1e4, 1e4))
@example(0.5, 1.0, 0.5, 8.0)
def test_spectral_radius_is_that_of_the_iteration_matrix(
    step_size: float, alpha: float, beta: float, curvature: float
) -> None:
    expected = eigenvalue_radius(step_size, alpha, beta, curvature)
    # Of a double eigenvalue NumPy finds half the digits, of those that the large entries in 1/β leave.
    entries = max(1.0, step_size / beta, abs(alpha * step_size), abs(beta * curvature * step_size))
    assert spectral_radius(step_size, alpha, beta, curvature) == pytest.approx(expected, abs=1e-7 * entries)


@given(st.floats(1e-3, 2), st.floats(0, 4), st.floats(1e-2, 2), st.floats(-1, 1000))
@example(1.0, 3.0, 0.25, 3.0)  # αγ > 2: stable because of the curvature
@example(0.1, 0.0, 0.05, 1.0)  # γ > β without viscous damping
@example(0.1, 0.5, 0.8, 0.0)
@example(0.1, 0.5, 0.8, -1.0)
def test_stable_is_where_all_eigenvalues_are_in_the_unit_circle(
    step_size: float, alpha: float, beta: float, curvature: float
) -> None:
    radius = eigenvalue_radius(step_size, alpha, beta, curvature)
    stable = is_stable(step_size, alpha, beta, curvature)
    if curvature == 0:
        assert not stable
    else:
        assume(abs(radius - 1) > 1e-6)
        assert stable == (radius < 1)


@given(curvatures, alphas, betas, st.floats(0, 0.999999), st.floats(1.000001, 1000))
@example(1.0, 1.0, 1.0, 0.999999, 1.000001)  # s² = 4λ: a double root
def test_stable_step_sizes_are_those_below_the_largest(
    curvature: float, alpha: float, beta: float, below: float, above: float
) -> None:
    largest = largest_stable_step_size(curvature, alpha, beta)
    assert is_stable(below * largest, alpha, beta, curvature) == (below > 0)
    assert not is_stable(above * largest, alpha, beta, curvature)


@given(step_sizes, alphas, betas, st.floats(0, 1), st.floats(1.000001, 1000))
@example(3.0, 1.0, 1.0, 0.5, 2.0)  # stable only between two curvatures
@example(0.5, 4.0, 0.1, 0.5, 2.0)  # αγ = 2
@example(0.5, 4.0, 0.25, 0.5, 2.0)  # αγ = 2 and γ = 2β
@example(0.5, 3.0, 0.25, 0.5, 2.0)  # γ = 2β
@example(0.5, 0.0, 0.25, 0.5, 2.0)  # γ > β without viscous damping
@example(0.5, 0.0, 0.5, 0.5, 2.0)  # γ = β without viscous damping
def test_stable_curvatures_are_those_in_the_interval(
    step_size: float, alpha: float, beta: float, inside: float, outside: float
) -> None:
    low, high = stable_curvatures(step_size, alpha, beta)
    if low == high:
        assert (low, high) == (0, 0)
        assert not any(is_stable(step_size, alpha, beta, curvature) for curvature in np.geomspace(1e-6, 1e6, 100))
        return
    end = high if high < math.inf else low + 1e6
    assume(low < end * (1 - 1e-6))
    margin = 1e-7 * end
    assert is_stable(step_size, alpha, beta, low + margin + inside * (end - low - 2 * margin))
    assert not is_stable(step_size, alpha, beta, low / outside)
    if high < math.inf:
        assert not is_stable(step_size, alpha, beta, high * outside)


@given(step_sizes, alphas, betas)
def test_the_largest_curvature_and_the_largest_step_size_belong_together(
    step_size: float, alpha: float, beta: float
) -> None:
    _, high = stable_curvatures(step_size, alpha, beta)
    if not 0 < high < math.inf:
        return
    assert largest_stable_step_size(high, alpha, beta) == pytest.approx(step_size, rel=1e-6)


@pytest.mark.parametrize("factor", [0.9, 1.1])
@pytest.mark.parametrize(("alpha", "beta"), [(0.25, 0.8), (0.5, 0.01), (1.0, 1.0)])
def test_trajectories_converge_below_the_largest_step_size_and_diverge_above(
    alpha: float, beta: float, factor: float
) -> None:
    curvature = np.array([0.5, 5.0])
    largest = min(largest_stable_step_size(c, alpha, beta) for c in curvature)
    with np.errstate(over="ignore", invalid="ignore"):
        run = trajectory(lambda theta, k: curvature * theta, np.ones(2), factor * largest, 3000, alpha=alpha, beta=beta)
        distances = np.linalg.norm(run.theta, axis=1)
    if factor < 1:
        assert distances[-1] < 1e-3
    else:
        assert np.nanmax(distances) > 1e3


def test_without_a_step_nothing_converges() -> None:
    assert stable_curvatures(0.0, 0.5, 0.1) == (0, 0)
    assert not is_stable(0.0, 0.5, 0.1, 1.0)
    assert spectral_radius(0.0, 0.5, 0.1, 1.0) == 1


@pytest.mark.parametrize("function", [spectral_radius, is_stable])
def test_every_framework_computes_the_same(run_in_framework: Callable[..., Any], function: Callable[..., Any]) -> None:
    arguments = [
        np.array([0.1, 2.0, 0.5, 0.0]),
        np.array([0.5, 0.5, 0.0, 1.3]),
        np.array([0.1, 0.25, 0.5, 0.1]),
        np.array([-1.0, 0.0, 10.0, 100.0]),
    ]
    (actual,) = run_in_framework(function, arguments)
    np.testing.assert_allclose(np.asarray(actual, float), np.asarray(function(*arguments), float), rtol=1e-14)


@pytest.mark.parametrize(
    ("function", "arguments", "error", "message"),
    [
        (largest_stable_step_size, (0, 0.5, 0.1), ValueError, "curvature must be a finite number > 0, got 0"),
        (largest_stable_step_size, (1, -1, 0.1), ValueError, "alpha must be a finite number >= 0, got -1"),
        (largest_stable_step_size, ("x", 1, 0.1), TypeError, "curvature must be .*, got 'x' of type str"),
        (stable_curvatures, (-0.1, 0.5, 0.1), ValueError, "step_size must be a finite number >= 0, got -0.1"),
        (stable_curvatures, (math.nan, 0.5, 0.1), ValueError, "step_size must be a finite number >= 0, got nan"),
        (stable_curvatures, (0.1, 0.5, 0), ValueError, "beta must be a finite number > 0, got 0"),
    ],
)
def test_bad_arguments(function: Any, arguments: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        function(*arguments)
