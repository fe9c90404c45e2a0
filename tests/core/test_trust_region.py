"""The scalars of the trust region: its hyperparameters, its rules, and the small problem of Lanczos."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indian_core.trust_region import DEFAULTS, Termination, check, lanczos, model, plain_numbers, steihaug, tridiagonal
from indian_core.trust_region.probe import probe as index_probe
from indian_core.trust_region.radius import judge
from indian_core.trust_region.residual import residual_target
from indian_core.trust_region.rounding import ROUNDING
from indian_core.trust_region.settings import RANGES

EPS = np.finfo(np.float64).eps
RULES = check(DEFAULTS._replace(norm="adagrad"))

RunInFramework = Callable[[Callable[..., Any], Sequence[Any]], list[Any]]

array_frameworks = pytest.mark.parametrize(
    "run_in_framework", ["numpy", "torch", "jax", "tensorflow", "tensorflow_graph", "keras"], indirect=True
)


def verdict(loss: float, trial: float, decrease: float, radius: float = 1.0, end: int = Termination.BOUNDARY) -> Any:
    return judge(loss, trial, decrease, radius, end, RULES, eps=EPS)


@pytest.mark.parametrize(
    ("ratio", "accepted", "radius"),
    [(-1.0, False, 1 / 1.5), (0.9e-4, False, 1 / 1.5), (1.1e-4, True, 1.0), (0.94, True, 1.0), (0.96, True, 1.1)],
)
def test_ratio_decides_on_step_and_radius(ratio: float, accepted: bool, radius: float) -> None:
    found = verdict(5.0, 5.0 - 2.0 * ratio, 2.0)
    assert found.ratio == pytest.approx(ratio, rel=1e-10)
    assert found.accepted == accepted
    assert found.radius == pytest.approx(radius, rel=1e-15)
    assert not found.within_rounding


def test_radius_grows_to_the_maximum_and_never_shrinks_to_it() -> None:
    assert verdict(5.0, 3.0, 2.0, radius=9.5).radius == RULES.max_radius
    assert verdict(5.0, 3.0, 2.0, radius=11.0).radius == 11.0


@pytest.mark.parametrize(
    ("loss", "trial", "decrease"),
    [
        (5.0, math.nan, 2.0),
        (5.0, math.inf, 2.0),
        (5.0, -math.inf, 2.0),
        (math.nan, 3.0, 2.0),
        (math.inf, 3.0, 2.0),
        (5.0, 3.0, math.nan),
        (5.0, 3.0, -1.0),
        (5.0, 3.0, 0.0),
    ],
)
def test_what_is_not_finite_or_no_decrease_rejects_the_step(loss: float, trial: float, decrease: float) -> None:
    with np.errstate(invalid="ignore"):
        found = verdict(loss, trial, decrease)
    assert not found.accepted
    assert found.radius == pytest.approx(1 / 1.5)


@pytest.mark.parametrize("end", list(Termination))
@pytest.mark.parametrize("change", [-1, 0, 1])
def test_within_rounding_a_step_is_accepted_unless_the_loss_has_grown(change: int, end: Termination) -> None:
    unit = 4 * EPS
    found = verdict(4.0, 4.0 + change * unit, 0.5 * ROUNDING * unit, end=end)
    assert found.within_rounding
    assert found.ratio == 1
    assert found.accepted == (change <= 0)
    # A longer step might be told from rounding errors; inside the ellipsoid there is none.
    grows = end in (Termination.BOUNDARY, Termination.NEGATIVE_CURVATURE)
    assert found.radius == pytest.approx(1.1 if grows else 1.0)


def test_rounding_needs_both_decreases_to_be_small() -> None:
    unit = 4 * EPS
    assert not verdict(4.0, 4.0 + unit, 1e-3).within_rounding
    assert not verdict(4.0, 4.1, unit).within_rounding


@array_frameworks
def test_verdicts_are_the_same_on_the_arrays_of_every_framework(
    run_in_framework: RunInFramework, namespace: Any
) -> None:
    loss = np.array([5.0, 5.0, 5.0, 5.0, 4.0])
    trial = np.array([3.0, 4.0, 6.0, np.nan, 4.0])
    decrease = np.array([2.0, 2.0, 2.0, 2.0, 1e-16])
    radius = np.array([1.0, 1.0, 1.0, 1.0, 1.0])

    def function(*arguments: Any, xp: Any = namespace) -> Any:
        return judge(*arguments, Termination.BOUNDARY, RULES, eps=float(EPS), xp=xp)

    for found, expected in zip(
        run_in_framework(function, [loss, trial, decrease, radius]),
        function(loss, trial, decrease, radius, xp=np),
        strict=True,
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-15)


@pytest.mark.parametrize("trial", [0.0, 1e-30, 0.5])
@pytest.mark.parametrize("end", list(Termination))
@pytest.mark.parametrize("decrease", [0.0, 1e-20, 1e-9])
def test_a_loss_of_exactly_zero_leaves_the_radius_alone(trial: float, end: Termination, decrease: float) -> None:
    """Of a batch that is fitted perfectly."""
    found = verdict(0.0, trial, decrease, radius=0.5, end=end)
    assert found.radius == 0.5
    assert found.accepted == (trial == 0)
    assert found.within_rounding


def test_a_loss_that_falls_below_zero_is_judged_as_any_other() -> None:
    found = verdict(0.0, -1.0, 1.0, radius=0.5)
    assert found.accepted
    assert found.radius == pytest.approx(0.55)
    assert not found.within_rounding


def test_a_loss_that_is_zero_on_its_way_down_is_judged_as_any_other() -> None:
    """As at a saddle of height 0, from which the model promises a way down that is shorter than the radius."""
    found = verdict(0.0, 4.0, 2.5, radius=0.6)
    assert not found.accepted
    assert found.radius == pytest.approx(0.4)
    assert not found.within_rounding


def test_numpys_error_state_is_the_callers_own() -> None:
    with np.errstate(all="raise"):
        found = tridiagonal.minimize(
            np.array([1.0, 1e-200, -1e-3]), np.array([1e-180, 1e-160, 0.0]), 3, 1e-170, 2.0, eps=EPS
        )
        assert np.geterr()["under"] == "raise"
    assert np.isfinite(found.coefficients).all()


def tridiagonal_matrix(diagonal: np.ndarray, off_diagonal: np.ndarray) -> np.ndarray:
    return np.diag(diagonal) + np.diag(off_diagonal, 1) + np.diag(off_diagonal, -1)


def assert_solves(
    diagonal: np.ndarray, off_diagonal: np.ndarray, gradient_norm: float, radius: float, padding: int = 0
) -> Any:
    """The conditions of Moré and Sorensen, which hold for the solution and for nothing else."""
    size = len(diagonal)
    padded = [np.append(entries, np.full(padding + size - len(entries), 7.0)) for entries in (diagonal, off_diagonal)]
    found = tridiagonal.minimize(*padded, size, gradient_norm, radius, eps=EPS)
    matrix, step = tridiagonal_matrix(diagonal, off_diagonal), found.coefficients[:size]
    gradient = gradient_norm * np.eye(size)[0]
    spread = np.abs(matrix).max() * radius + gradient_norm
    np.testing.assert_allclose(matrix @ step + found.multiplier * step, -gradient, atol=1e-12 * spread)
    assert np.linalg.eigvalsh(matrix)[0] + found.multiplier >= -1e-12 * np.abs(matrix).max()
    assert np.linalg.norm(step) <= radius * (1 + 1e-12)
    if found.multiplier * radius > 1e-12 * spread:
        assert np.linalg.norm(step) == pytest.approx(radius, rel=1e-9)
    np.testing.assert_array_equal(found.coefficients[size:], 0)
    assert found.last == step[-1]
    decrease = -(gradient @ step + 0.5 * step @ matrix @ step)
    assert found.decrease == pytest.approx(decrease, rel=1e-10, abs=1e-12 * radius * spread)
    return found


@given(
    st.integers(1, 8), st.integers(0, 3), st.floats(-3, 3), st.floats(-4, 2), st.floats(-3, 2), st.integers(0, 2**32)
)
def test_the_small_problem_is_solved_exactly(
    size: int, padding: int, spread: float, gradient: float, radius: float, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    diagonal = generator.normal(size=size) * 10**spread
    off_diagonal = np.abs(generator.normal(size=size - 1)) * 10 ** generator.uniform(-4, 1)
    assert_solves(diagonal, off_diagonal, 10**gradient, 10**radius, padding)


@pytest.mark.parametrize("hidden", [0.0, 1e-300, 1e-30, 1e-14, 1e-9, 1e-6, 1e-3])
def test_the_hard_case_and_its_neighbourhood(hidden: float) -> None:
    """The gradient has no part, or hardly any, along the leftmost eigenvector."""
    found = assert_solves(np.array([1.0, -1.0]), np.array([hidden]), 1.0, 2.0)
    assert found.curved
    assert abs(found.coefficients[1]) > 1.9


def test_without_a_gradient_only_negative_curvature_gives_a_step() -> None:
    found = assert_solves(np.array([1.0, 2.0]), np.array([0.5]), 0.0, 2.0)
    assert not found.curved
    np.testing.assert_array_equal(found.coefficients, 0)
    found = assert_solves(np.array([1.0, -2.0]), np.array([0.5]), 0.0, 2.0)
    assert found.curved
    assert found.multiplier == pytest.approx(-found.leftmost)
    assert found.decrease == pytest.approx(-0.5 * found.leftmost * 4)


def test_a_matrix_of_zeros_is_a_linear_model() -> None:
    found = assert_solves(np.zeros(1), np.zeros(0), 3.0, 2.0, padding=2)
    np.testing.assert_allclose(found.coefficients, [-2.0, 0, 0])


@pytest.mark.parametrize("run_in_framework", ["torch", "jax", "tensorflow", "tensorflow_graph"], indirect=True)
def test_the_small_problem_has_the_same_solution_in_every_framework(
    run_in_framework: RunInFramework, namespace: Any
) -> None:
    # An integer of 64 bits cannot be compared with the indices of Keras.
    arrays = [
        np.array([1.0, -1.0, 0.5, 7.0]),
        np.array([0.5, 1.5, 7.0, 7.0]),
        np.array(3, np.int32),
        np.array(1.5),
        np.array(2.0),
    ]

    def function(*arguments: Any, xp: Any = namespace) -> Any:
        return tridiagonal.minimize(*arguments, eps=float(EPS), xp=xp)

    for found, expected in zip(run_in_framework(function, arrays), function(*arrays, xp=np), strict=True):
        assert np.asarray(found).dtype == np.asarray(expected).dtype
        np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-13)


@given(st.floats(1e-3, 1e3), st.floats(-1e3, 1e3), st.floats(1e-3, 1e3))
def test_the_cauchy_point_is_the_first_step_of_conjugate_gradients(
    norm: float, curvature: float, radius: float
) -> None:
    state = steihaug.start(norm * norm, tolerance=0.1, eps=EPS)
    _, length = steihaug.step_length(state, curvature, 0.0, norm * norm, radius)
    assert length == pytest.approx(model.cauchy_length(norm, curvature, radius), rel=1e-12)
    # Theorem 6.3.1 of Conn, Gould, Toint.
    bound = 0.5 * norm * min(radius, norm**3 / (abs(curvature) + 1e-300))
    assert model.cauchy_decrease(norm, curvature, radius) >= bound * (1 - 1e-12)


@given(
    st.floats(0, 1),
    st.floats(-1, 1),
    st.floats(1e-6, 1e6),
    st.floats(1e-6, 1e6),
    st.sampled_from([np.float64, np.float32]),
)
def test_the_boundary_is_met_and_not_passed(
    inside: float, cosine: float, direction: float, radius: float, dtype: Any
) -> None:
    step, direction, radius = dtype(inside) * dtype(radius), dtype(direction), dtype(radius)
    dot = dtype(cosine) * step * direction
    length = model.distance_to_boundary(step**2, dot, direction**2, radius)
    assert length >= 0
    squared = float(step) ** 2 + 2 * float(length) * float(dot) + float(length) ** 2 * float(direction) ** 2
    assert math.sqrt(squared) == pytest.approx(float(radius), rel=20 * np.finfo(dtype).eps)


def test_the_eigenpoint_goes_downhill_on_either_side() -> None:
    assert model.eigenpoint_decrease(1.0, -2.0, 3.0) == model.eigenpoint_decrease(-1.0, -2.0, 3.0) == 12.0
    assert model.eigenpoint_decrease(1.0, 2.0, 3.0) == 0.0


def test_the_residual_need_not_be_smaller_than_rounding() -> None:
    assert residual_target(1e-20, 0.1, eps=EPS) == 1e-20 * EPS
    state = steihaug.start(np.float32(1e-24), tolerance=0.1, eps=np.finfo(np.float32).eps)
    assert state.target > 0


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_gradient_that_is_not_finite_ends_the_search_before_it_begins(value: float) -> None:
    with np.errstate(invalid="ignore"):
        assert steihaug.start(value, tolerance=0.1, eps=EPS).termination == Termination.NOT_FINITE
        started = lanczos.start_lanczos(np.float64(value), 3, tolerance=0.1, eps=EPS)
    assert started.termination == Termination.NOT_FINITE


def test_the_probe_has_a_part_along_every_regular_vector() -> None:
    probe = index_probe(np.arange(4096)).astype(float)
    spectrum = np.abs(np.fft.rfft(probe))[1:] / np.linalg.norm(probe)
    assert spectrum.min() > 1e-3
    # Within what 32 bits hold, however many parameters there are.
    huge = index_probe(np.arange(2**31 - 5, 2**31 - 1, dtype=np.int32))
    np.testing.assert_array_equal(huge, index_probe(np.arange(2**31 - 5, 2**31 - 1)))


def test_defaults_are_valid_and_the_rmsprop_radius_shrinks_faster() -> None:
    assert check(DEFAULTS).shrink_factor == 1.75
    assert check(DEFAULTS._replace(norm=None)).shrink_factor == 1.5
    assert check(DEFAULTS._replace(shrink_factor=3)).shrink_factor == 3.0


BAD: list[tuple[str, Any, type[Exception], str]] = [
    *((name, math.nan, ValueError, f"{name} must be {allowed}, got nan") for name, allowed in RANGES.items()),
    *((name, "1", TypeError, f"{name} must be {allowed}, got '1' of type str") for name, allowed in RANGES.items()),
    ("radius", 0, ValueError, "radius must be a finite number > 0, got 0"),
    ("radius", 11, ValueError, "radius must be at most max_radius = 10.0, got 11.0"),
    ("max_radius", -1.0, ValueError, "max_radius must be a finite number > 0, got -1.0"),
    ("accept_ratio", -0.1, ValueError, "accept_ratio must be a number in [0, 1], got -0.1"),
    ("accept_ratio", 0.96, ValueError, "accept_ratio must be at most expand_ratio = 0.95, got 0.96"),
    ("expand_ratio", 1.1, ValueError, "expand_ratio must be a number in [0, 1], got 1.1"),
    ("expand_factor", 0.9, ValueError, "expand_factor must be a finite number >= 1, got 0.9"),
    ("shrink_factor", 1, ValueError, "shrink_factor must be a finite number > 1, got 1"),
    ("tolerance", 0.0, ValueError, "tolerance must be a number in (0, 1], got 0.0"),
    ("norm_decay", 1.0, ValueError, "norm_decay must be a number in [0, 1), got 1.0"),
    ("norm_epsilon", 0.0, ValueError, "norm_epsilon must be a finite number > 0, got 0.0"),
    ("max_iterations", 0, ValueError, "max_iterations must be an integer >= 1, got 0"),
    ("max_iterations", 1.0, TypeError, "max_iterations must be an integer >= 1, got 1.0 of type float"),
    ("norm", "adam", ValueError, "norm must be 'rmsprop', 'adagrad' or None, got 'adam'"),
    ("norm", 2, TypeError, "norm must be 'rmsprop', 'adagrad' or None, got 2 of type int"),
    ("curvature", None, TypeError, "curvature must be 'hessian', 'gauss_newton' or 'none', got None of type NoneType"),
    ("subproblem", "cg", ValueError, "subproblem must be 'steihaug' or 'lanczos', got 'cg'"),
]


@pytest.mark.parametrize(
    ("name", "value", "error", "message"), BAD, ids=[f"{name}={value!r}" for name, value, *_ in BAD]
)
def test_bad_hyperparameters_are_refused(name: str, value: Any, error: type[Exception], message: str) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        check(DEFAULTS._replace(**{name: value}))
    assert type(caught.value) is error
    assert str(caught.value) == message


@given(st.floats(0, 10), st.floats(-5, 5), st.floats(-5, 5), st.floats(0, 5), st.floats(0.01, 10), st.floats(0, 10))
def test_python_numbers_are_decided_on_as_arrays_are(
    gradient: float, curvature: float, along: float, squared: float, radius: float, residual: float
) -> None:
    def iteration(xp: Any, number: Callable[[float], Any]) -> list[Any]:
        state = steihaug.start(number(gradient), tolerance=0.1, eps=EPS, xp=xp)
        state, length = steihaug.step_length(
            state._replace(step_squared=number(0.5 * radius * radius)),
            *map(number, (curvature, along, squared, radius)),
            xp=xp,
        )
        state, momentum = steihaug.next_direction(
            state._replace(residual_squared=number(1.0)), number(residual), 1, xp=xp
        )
        return [*state, length, momentum]

    with np.errstate(all="ignore"):
        expected = iteration(np, np.float64)
    np.testing.assert_array_equal(iteration(plain_numbers, float), expected)


def test_python_numbers_have_square_roots_that_are_not_numbers() -> None:
    assert math.isnan(plain_numbers.sqrt(-1.0))
    assert math.isnan(plain_numbers.sqrt(math.nan))
    assert plain_numbers.sqrt(math.inf) == math.inf
