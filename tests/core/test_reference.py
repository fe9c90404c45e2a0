"""The oracle itself, against the equations of the paper written out by hand."""

import math
from typing import Any

import numpy as np
import pytest

from indian_core.norms import NORMS
from indian_core.reference import PhaseForm, PublishedINNAprop, trajectory

ALPHA, BETA = 0.5, 0.1
CURVATURE = np.array([1.0, 10.0, 100.0])


def quadratic_gradient(theta: np.ndarray, k: int) -> np.ndarray:
    return CURVATURE * theta + 0.1 * k


def test_three_steps_of_equation_11_by_hand() -> None:
    """From θ = 2 on J(θ) = θ², with γ = 0.1, 0.05, 0.02."""
    theta_0 = 2.0
    psi_0 = (1 - 0.5 * 0.1) * 2.0 - (0.1**2 - 0.1) * 4.0  # = 2.26

    theta_1 = 2.0 + 0.1 * ((1 / 0.1 - 0.5) * 2.0 - psi_0 / 0.1 - 0.1 * 4.0)  # = 1.6: along −g, at speed 1
    psi_1 = psi_0 + 0.1 * ((1 / 0.1 - 0.5) * 2.0 - psi_0 / 0.1)

    g_1 = 2 * theta_1
    theta_2 = theta_1 + 0.05 * (-(0.5 - 1 / 0.1) * theta_1 - psi_1 / 0.1 - 0.1 * g_1)
    psi_2 = psi_1 + 0.05 * (-(0.5 - 1 / 0.1) * theta_1 - psi_1 / 0.1)

    g_2 = 2 * theta_2
    theta_3 = theta_2 + 0.02 * (-(0.5 - 1 / 0.1) * theta_2 - psi_2 / 0.1 - 0.1 * g_2)
    psi_3 = psi_2 + 0.02 * (-(0.5 - 1 / 0.1) * theta_2 - psi_2 / 0.1)

    assert psi_0 == pytest.approx(2.26)
    assert theta_1 == pytest.approx(1.6)
    run = trajectory(lambda theta, k: 2 * theta, np.array(2.0), [0.1, 0.05, 0.02].__getitem__, 3, alpha=0.5, beta=0.1)
    np.testing.assert_allclose(run.theta, [theta_0, theta_1, theta_2, theta_3], rtol=1e-14)
    np.testing.assert_allclose(run.phase, [psi_0, psi_1, psi_2, psi_3], rtol=1e-14)


def test_one_step_with_weight_decay_and_initial_speed_by_hand() -> None:
    """Initial phase and gradient belong to θ₀; the step starts from (1 − γλ)θ₀ with ψ₀."""
    alpha, beta, speed, decay, gamma = 0.5, 0.25, 2.0, 0.5, 0.1
    psi_0 = (1 - alpha * beta) * 3.0 - (beta**2 - beta * speed) * 5.0
    theta = (1 - gamma * decay) * 3.0
    rate = (1 / beta - alpha) * theta - psi_0 / beta

    form = PhaseForm(np.array([3.0]), alpha=alpha, beta=beta, initial_speed=speed, weight_decay=decay)
    form.step(np.array([5.0]), gamma)
    np.testing.assert_allclose(form.theta, [theta + gamma * (rate - beta * 5.0)], rtol=1e-14)
    np.testing.assert_allclose(form.phase, [psi_0 + gamma * rate], rtol=1e-14)


@pytest.mark.parametrize("step_size", [0.01, lambda k: 0.01 / math.sqrt(k + 1)], ids=["number", "schedule"])
@pytest.mark.parametrize("hyperparameters", [{}, {"initial_speed": 0.0, "weight_decay": 0.1}], ids=["default", "other"])
def test_step_by_step_equals_trajectory(step_size: Any, hyperparameters: dict[str, float]) -> None:
    start = np.array([1.0, -2.0, 3.0])
    run = trajectory(quadratic_gradient, start, step_size, 50, alpha=ALPHA, beta=BETA, **hyperparameters)
    form = PhaseForm(start, alpha=ALPHA, beta=BETA, **hyperparameters)
    assert form.phase is None
    np.testing.assert_array_equal(run.theta[0], start)
    for k in range(50):
        form.step(quadratic_gradient(form.theta, k), step_size(k) if callable(step_size) else step_size)
        np.testing.assert_array_equal(run.theta[k + 1], form.theta)
        np.testing.assert_array_equal(run.phase[k + 1], form.phase)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_keeps_shape_and_dtype(dtype: Any) -> None:
    run = trajectory(lambda theta, k: theta, np.ones((2, 3), dtype), 0.1, 4)
    assert run.theta.shape == run.phase.shape == (5, 2, 3)
    assert run.theta.dtype == run.phase.dtype == dtype


def test_no_steps_give_the_start_and_its_phase() -> None:
    run = trajectory(lambda theta, k: 2 * theta, [3.0], 0.1, 0, alpha=0.5, beta=0.25)
    np.testing.assert_array_equal(run.theta, [[3.0]])
    np.testing.assert_allclose(run.phase, [[(1 - 0.125) * 3 - (0.0625 - 0.25) * 6]])


def test_asks_for_the_gradient_once_a_step() -> None:
    """So that a gradient may draw its own mini-batch."""
    asked: list[int] = []

    def gradient(theta: np.ndarray, k: int) -> np.ndarray:
        asked.append(k)
        return theta

    trajectory(gradient, np.ones(1), 0.1, 3)
    assert asked == [0, 1, 2]


def test_does_not_modify_its_input() -> None:
    start, gradient = np.ones(3), np.full(3, 2.0)
    form = PhaseForm(start, alpha=ALPHA, beta=BETA, weight_decay=0.1)
    for _ in range(3):
        form.step(gradient, 0.1)
    trajectory(lambda theta, k: gradient, start, 0.1, 3, weight_decay=0.1)
    np.testing.assert_array_equal(start, np.ones(3))
    np.testing.assert_array_equal(gradient, np.full(3, 2.0))


def test_start_is_copied() -> None:
    start = np.ones(3)
    form = PhaseForm(start)
    start[:] = 7.0
    np.testing.assert_array_equal(form.theta, np.ones(3))


def test_iterates_stay_what_they_were() -> None:
    form = PhaseForm(np.ones(2), alpha=ALPHA, beta=BETA)
    form.step(np.ones(2), 0.1)
    theta, phase = form.theta, form.phase
    copies = np.array([theta, phase])
    form.step(np.ones(2), 0.1)
    np.testing.assert_array_equal([theta, phase], copies)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"alpha": -1}, ValueError, "alpha must be a finite number >= 0, got -1"),
        ({"beta": 0}, ValueError, "beta must be a finite number > 0, got 0"),
        ({"beta": "x"}, TypeError, "beta must be a finite number > 0, got 'x' of type str"),
        ({"initial_speed": math.inf}, ValueError, "initial_speed must be a finite number, 'auto' or None, got inf"),
        ({"weight_decay": -1e-9}, ValueError, "weight_decay must be a finite number >= 0, got -1e-09"),
        ({"step_size": math.nan}, ValueError, "learning_rate must be a finite number >= 0, got nan"),
        ({"step_size": None}, TypeError, "learning_rate must be a finite number >= 0, got None of type NoneType"),
        ({"steps": -1}, ValueError, "steps must be an integer >= 0, got -1"),
        ({"steps": 2.0}, TypeError, "steps must be an integer >= 0, got 2.0 of type float"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    good: dict[str, Any] = {"step_size": 0.1, "steps": 3}
    with pytest.raises(error) as caught:
        trajectory(lambda theta, k: theta, np.ones(1), **good | arguments)
    assert str(caught.value) == message
    if not arguments.keys() & good.keys():
        with pytest.raises(error):
            PhaseForm(np.ones(1), **arguments)


@pytest.mark.parametrize(
    ("gradient", "step_size", "message"),
    [
        (np.ones(2), -1.0, "step_size must be a finite number >= 0, got -1.0"),
        (np.ones(2), math.nan, "step_size must be a finite number >= 0, got nan"),
        (np.ones(1), 0.1, r"gradient must be of shape \(2,\), got an array of shape \(1,\)"),
    ],
)
def test_a_bad_step_is_refused_and_changes_nothing(gradient: Any, step_size: float, message: str) -> None:
    form = PhaseForm(np.ones(2))
    with pytest.raises(ValueError, match=message):
        form.step(gradient, step_size)
    assert form.phase is None
    assert form.theta.tolist() == [1, 1]


INNAPROP = {"alpha": 0.1, "beta": 0.9, "norm_decay": 0.99, "norm_epsilon": 1.0, "weight_decay": 0.01}


@pytest.mark.parametrize("step_size", [0.01, 0.3, lambda k: 0.5 / math.sqrt(k + 1)], ids=["small", "large", "schedule"])
def test_in_the_rmsprop_norm_the_phase_form_is_innaprop_as_published(step_size: Any) -> None:
    """As long as γ < β; from rest, ψ₀ = (1 − αβ)θ₀."""
    start = np.array([1.0, -2.0, 3.0])
    ours = trajectory(quadratic_gradient, start, step_size, 300, norm="rmsprop", initial_speed=None, **INNAPROP)
    published = trajectory(quadratic_gradient, start, step_size, 300, method=PublishedINNAprop, **INNAPROP)
    np.testing.assert_allclose(ours.theta, published.theta, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(ours.phase, published.phase, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(ours.phase[0], (1 - 0.09) * start)


def test_at_a_step_size_of_beta_the_phase_form_goes_on_and_the_published_rule_ends() -> None:
    start = np.array([1.0, -2.0, 3.0])
    ours = trajectory(quadratic_gradient, start, 0.9, 10, norm="rmsprop", initial_speed=None, **INNAPROP)
    assert np.isfinite(ours.theta).all()
    with pytest.raises(ZeroDivisionError):
        trajectory(quadratic_gradient, start, 0.9, 10, method=PublishedINNAprop, **INNAPROP)


def test_near_a_step_size_of_beta_the_published_rule_loses_digits() -> None:
    start, near = np.array([1.0, -2.0, 3.0]), 0.9 * (1 - 1e-12)
    at_beta, ours = (
        trajectory(quadratic_gradient, start, step_size, 10, norm="rmsprop", initial_speed=None, **INNAPROP).theta
        for step_size in (0.9, near)
    )
    published = trajectory(quadratic_gradient, start, near, 10, method=PublishedINNAprop, **INNAPROP).theta
    np.testing.assert_allclose(ours, at_beta, rtol=1e-8)
    assert np.abs(published / at_beta - 1).max() > 1e-6


@pytest.mark.parametrize("norm", NORMS)
def test_with_alpha_beta_one_a_norm_makes_preconditioned_gradient_descent(norm: str) -> None:
    """The gradient has no part in the velocity then, and from rest there is none."""
    theta, run = (
        np.array([1.0, -2.0, 3.0]),
        PhaseForm(np.array([1.0, -2.0, 3.0]), alpha=2.0, beta=0.5, initial_speed=None, norm=norm, norm_decay=0.9),
    )
    squares = np.zeros(3)
    for k in range(1, 30):
        gradient = quadratic_gradient(theta, k)
        squares = 0.9 * squares + 0.1 * gradient**2 if norm == "rmsprop" else squares + gradient**2
        mean = squares / (1 - 0.9**k) if norm == "rmsprop" else squares
        run.step(gradient, 0.02)
        theta = theta - 0.02 * 0.5 * gradient / (np.sqrt(mean) + 1e-8)
        np.testing.assert_allclose(run.theta, theta, rtol=1e-11)


@pytest.mark.parametrize("norm", [None, *NORMS])
def test_by_default_a_run_starts_with_speed_1_without_a_norm_and_from_rest_in_one(norm: str | None) -> None:
    runs = [
        trajectory(quadratic_gradient, np.array([1.0, -2.0, 3.0]), 0.1, 10, norm=norm, **speed)
        for speed in ({}, {"initial_speed": 1.0}, {"initial_speed": None})
    ]
    default, expected, other = runs if norm is None else (runs[0], runs[2], runs[1])
    np.testing.assert_array_equal(default, expected)
    assert np.abs(np.subtract(default, other)).max() > 0.01


def test_a_norm_of_another_name() -> None:
    with pytest.raises(ValueError, match="norm must be 'rmsprop', 'adagrad' or None, got 'adam'"):
        PhaseForm(np.array([1.0]), norm="adam")
