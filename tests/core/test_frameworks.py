"""The functions of the core run unchanged on the arrays of every framework, with equal values."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from experiments.lib.jax_releases import enable_x64
from indian_core.dynamics import (
    initial_phase,
    initial_velocity,
    phase_from_velocity,
    phase_step,
    post_form,
    pre_form,
    velocity_from_phase,
    velocity_step,
    weight_decay_step,
)
from indian_core.schedules import Constant, LogarithmicDecay, PowerDecay

RunInFramework = Callable[[Callable[..., Any], Sequence[Any]], list[Any]]

THETA = np.array([1.5, -2.0, 0.25, 3.0])
VELOCITY = np.array([0.5, 1.0, -2.0, 0.0])
PHASE = np.array([1.0, -1.0, 0.5, 2.0])
GRADIENT = np.array([-3.0, 0.125, 1.0, 2.0])
# Among them αγ = 1, γ = β, γ > β and γ = 0.
STEP_SIZE = np.array([0.1, 2.0, 0.5, 0.0])
ALPHA = np.array([0.5, 0.5, 0.1, 1.3])
BETA = np.array([0.1, 0.25, 0.5, 0.1])
SPEED = np.array([1.0, 0.0, 0.5, 1.0])
DECAY = np.array([0.0, 0.01, 0.1, 0.5])
FIRST = np.array([1.0, 0.0, 1.0, 0.0])
STEPS = np.array([0, 1, 4, 1000])


def assert_equal_values(
    run_in_framework: RunInFramework, function: Callable[..., Any], *arguments: Any, tolerance: float = 1e-14
) -> None:
    """``function`` gives in the framework what it gives on NumPy arrays."""
    expected = function(*arguments)
    expected = expected if isinstance(expected, tuple) else (expected,)
    actual = run_in_framework(function, arguments)
    assert len(actual) == len(expected)
    for actual_value, expected_value in zip(actual, expected, strict=True):
        # A coefficient without a dimension belongs to a term that is absent, or common to all elements.
        actual_value, expected_value = np.broadcast_arrays(actual_value, expected_value)
        np.testing.assert_allclose(actual_value, expected_value, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("form", [pre_form, post_form])
def test_coefficients_of_array_hyperparameters(run_in_framework: RunInFramework, form: Any) -> None:
    def coefficients(step_size: Any, alpha: Any, beta: Any, speed: Any, decay: Any, first: Any) -> Any:
        return form(step_size, alpha, beta, initial_speed=speed, weight_decay=decay, first=first)

    assert_equal_values(run_in_framework, coefficients, STEP_SIZE, ALPHA, BETA, SPEED, DECAY, FIRST)


@pytest.mark.parametrize("form", [pre_form, post_form])
def test_coefficients_of_an_array_step_size_and_python_numbers(run_in_framework: RunInFramework, form: Any) -> None:
    assert_equal_values(run_in_framework, lambda step_size: form(step_size, 0.5, 0.1, first=True), STEP_SIZE)
    assert_equal_values(run_in_framework, lambda step_size: form(step_size, 0.5, 0.1).ascent(), STEP_SIZE)


@pytest.mark.parametrize("form", [pre_form, post_form])
def test_velocity_step_with_array_hyperparameters(run_in_framework: RunInFramework, form: Any) -> None:
    def step(theta: Any, velocity: Any, gradient: Any, step_size: Any, alpha: Any, beta: Any, decay: Any) -> Any:
        return velocity_step(theta, velocity, gradient, form(step_size, alpha, beta, weight_decay=decay))

    assert_equal_values(run_in_framework, step, THETA, VELOCITY, GRADIENT, STEP_SIZE, ALPHA, BETA, DECAY)


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("form", [pre_form, post_form])
def test_velocity_step_with_python_hyperparameters(
    run_in_framework: RunInFramework, form: Any, weight_decay: float
) -> None:
    coefficients = form(0.1, 0.5, 0.1, weight_decay=weight_decay)
    assert_equal_values(
        run_in_framework, lambda *arrays: velocity_step(*arrays, coefficients), THETA, VELOCITY, GRADIENT
    )


def test_phase_step(run_in_framework: RunInFramework) -> None:
    assert_equal_values(run_in_framework, phase_step, THETA, PHASE, GRADIENT, STEP_SIZE, ALPHA, BETA)
    assert_equal_values(run_in_framework, lambda *a: phase_step(*a, 0.1, 0.5, 0.1), THETA, PHASE, GRADIENT)


@pytest.mark.parametrize(
    ("function", "arrays", "hyperparameters"),
    [
        (initial_phase, (THETA, GRADIENT), (ALPHA, BETA, SPEED)),
        (initial_velocity, (GRADIENT,), (BETA, SPEED)),
        (velocity_from_phase, (THETA, PHASE), (ALPHA, BETA)),
        (phase_from_velocity, (THETA, VELOCITY), (ALPHA, BETA)),
        (weight_decay_step, (THETA,), (STEP_SIZE, DECAY)),
    ],
)
def test_conversions(run_in_framework: RunInFramework, function: Any, arrays: Any, hyperparameters: Any) -> None:
    assert_equal_values(run_in_framework, function, *arrays, *hyperparameters)
    numbers = [float(values[1]) for values in hyperparameters]
    assert_equal_values(run_in_framework, lambda *a: function(*a, *numbers), *arrays)


# Most frameworks turn an integer into a float32.
COUNTERS = [pytest.param("float64", 1e-14, id="float64"), pytest.param("int32", 1e-6, id="int32")]


@pytest.mark.parametrize(("dtype", "tolerance"), COUNTERS)
@pytest.mark.parametrize(
    "schedule", [Constant(0.1), PowerDecay(0.1, power=0.25), PowerDecay(0.1, power=0.5, warmup_steps=3)], ids=repr
)
def test_schedules(run_in_framework: RunInFramework, schedule: Any, dtype: str, tolerance: float) -> None:
    assert_equal_values(run_in_framework, schedule, STEPS.astype(dtype), tolerance=tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), COUNTERS)
def test_logarithmic_schedule_with_the_logarithm_of_the_framework(
    run_in_framework: RunInFramework, namespace: Any, dtype: str, tolerance: float
) -> None:
    schedule = LogarithmicDecay(0.1, power=1.5)
    (actual,) = run_in_framework(lambda k: schedule(k, log=namespace.log), [STEPS.astype(dtype)])
    np.testing.assert_allclose(actual, [schedule(int(k)) for k in STEPS], rtol=tolerance)


def test_logarithmic_schedule_finds_the_logarithm_of_arrays_that_know_it() -> None:
    import jax
    import torch

    schedule = LogarithmicDecay(0.1, power=1.5)
    expected = [schedule(int(k)) for k in STEPS]
    np.testing.assert_allclose(schedule(STEPS), expected, rtol=1e-14)
    np.testing.assert_allclose(schedule(torch.tensor(STEPS)), expected, rtol=1e-6)
    np.testing.assert_allclose(jax.jit(schedule)(STEPS), expected, rtol=1e-6)
    with pytest.raises(TypeError, match="log must be given for a step number of type"):
        schedule(1j)


@pytest.mark.parametrize("product", [1.0, 0.75, 1.25, 0.9, 0.5])
def test_post_form_has_the_derivatives_of_the_pre_form(product: float) -> None:
    """Also where ρ = 0, and where |ρ| = 1/4, at which the post form's coefficients have a kink."""
    import jax

    def displacement(form: Any, hyperparameters: Any) -> Any:
        return sum(velocity_step(0.5, 2.0, 3.0, form(*hyperparameters, weight_decay=0.1)))

    with enable_x64(True):
        hyperparameters = (product / 0.5, 0.5, 0.25)
        post, pre = (jax.grad(displacement, argnums=1)(form, hyperparameters) for form in (post_form, pre_form))
        np.testing.assert_allclose(post, pre, rtol=1e-12, atol=1e-12)
