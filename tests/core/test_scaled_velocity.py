"""A step on a multiple of the velocity is the same step."""

import math
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from indian_core.dynamics import StepCoefficients, post_form, pre_form, velocity_step
from indian_core.scaled_velocity import nesterov_multiple, nesterov_step, of_multiple

step_sizes = st.floats(1e-3, 1)
alphas = st.floats(0, 4)
betas = st.floats(1e-2, 4)
decays = st.sampled_from([0.0, 1e-3, 0.1])
numbers = st.floats(-10, 10)
ratios = st.floats(1e-3, 1e3)


@given(
    step_size=step_sizes,
    alpha=alphas,
    beta=betas,
    decay=decays,
    theta=numbers,
    velocity=numbers,
    gradient=numbers,
    multiple=ratios,
)
@pytest.mark.parametrize("form", [pre_form, post_form])
def test_step_of_a_multiple_is_the_multiple_of_the_step(
    form: Any,
    step_size: float,
    alpha: float,
    beta: float,
    decay: float,
    theta: float,
    velocity: float,
    gradient: float,
    multiple: float,
) -> None:
    coefficients = form(step_size, alpha, beta, weight_decay=decay)
    displacement, next_velocity = velocity_step(theta, velocity, gradient, coefficients)
    found = velocity_step(theta, multiple * velocity, gradient, of_multiple(coefficients, multiple))
    size = max(1.0, *map(abs, coefficients)) ** 2 * 100
    assert found[0] == pytest.approx(displacement, rel=1e-9, abs=1e-12 * size)
    assert found[1] == pytest.approx(multiple * next_velocity, rel=1e-9, abs=1e-12 * size * max(1.0, multiple))


def sgd_step(step: Any, theta: float, buffer: float, gradient: float) -> tuple[float, float]:
    """θ and the buffer after one step of SGD with Nesterov momentum, as torch.optim writes it."""
    theta *= step.theta_factor
    gradient += step.weight_decay * theta
    buffer = step.momentum * buffer + (1 - step.dampening) * gradient
    return theta - step.learning_rate * (gradient + step.momentum * buffer), buffer


def representable(coefficients: StepCoefficients) -> bool:
    return abs(nesterov_multiple(coefficients)) < 1e4


@given(
    step_size=step_sizes,
    alpha=alphas,
    beta=betas,
    weight_decay=decays,
    maximize=st.booleans(),
    ratio=ratios,
    theta=numbers,
    velocity=numbers,
    gradient=numbers,
)
def test_nesterov_step_on_the_scaled_velocity_is_the_step(
    step_size: float,
    alpha: float,
    beta: float,
    weight_decay: float,
    maximize: bool,
    ratio: float,
    theta: float,
    velocity: float,
    gradient: float,
) -> None:
    coefficients = post_form(step_size, alpha, beta, weight_decay=weight_decay)
    if maximize:
        coefficients = coefficients.ascent()
    assume(representable(coefficients))
    multiple = ratio * nesterov_multiple(coefficients)
    displacement, next_velocity = velocity_step(theta, velocity, gradient, coefficients)
    step = nesterov_step(coefficients, multiple)
    next_theta, buffer = sgd_step(step, theta, multiple * velocity, gradient)
    assert next_theta == pytest.approx(theta + displacement, abs=1e-9)
    assert buffer == pytest.approx(step.multiple * next_velocity, abs=1e-9 * max(1, abs(step.multiple)))


def test_nesterov_multiple_stays_where_it_is() -> None:
    coefficients = post_form(0.1, alpha=0.25, beta=0.8)
    multiple = nesterov_multiple(coefficients)
    step = nesterov_step(coefficients, multiple)
    assert multiple == pytest.approx(-1 / ((1 - 0.025) * 0.7), rel=1e-12)
    assert step.multiple == pytest.approx(multiple, rel=1e-15)
    assert step.momentum == pytest.approx(1 - 0.025, rel=1e-15)


@pytest.mark.parametrize("step_size", [1e-5, 2e-4, 3e-3])
def test_scale_is_what_the_rounded_dampening_makes_of_it(step_size: float) -> None:
    """Else the gradient's share of the velocity would be wrong in the same way at every step."""
    coefficients = post_form(step_size, alpha=0.5, beta=0.5)
    step = nesterov_step(coefficients, nesterov_multiple(coefficients))
    assert step.multiple * coefficients.velocity_gradient == pytest.approx(1 - step.dampening, rel=4e-16, abs=0)
    assert step.learning_rate * step.momentum * step.multiple == pytest.approx(
        -coefficients.theta_next_velocity, rel=4e-16, abs=0
    )


@pytest.mark.parametrize(
    ("step_size", "alpha", "beta", "weight_decay"),
    [
        (0.5, 1.0, 0.5, 0.0),  # β = γ, the heavy ball
        (0.5, 2.0, 0.7, 0.0),  # ρ = 0
        (0.5, 1.6, 0.7, 0.0),  # ρ = 0.2
        (1.0, 0.1, 0.5, 0.3),  # weight decay of θ by γ²λ/β = 0.6
        (1e-7, 0.5, 0.8, 0.0),  # 1 − d = 1e-7
    ],
)
def test_nesterov_multiple_is_infinite_where_there_is_no_such_step(step_size, alpha, beta, weight_decay) -> None:
    assert abs(nesterov_multiple(post_form(step_size, alpha, beta, weight_decay=weight_decay))) == math.inf
