"""A step on a multiple of the velocity is the same step."""

import math
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from indian_core.damping import damping_of_nesterov, post_damping_form, pre_damping_form
from indian_core.dynamics import StepCoefficients, post_form, pre_form, velocity_step
from indian_core.scaled_velocity import heavy_ball_step, nesterov_multiple, nesterov_step, of_multiple

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


@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("damping", [0.5, 1.5, 1.9, 3.0, 15.0])
def test_the_damping_form_is_a_nesterov_step(damping: float, maximize: bool) -> None:
    """With a weight decay of SGD, too, which is part of the gradient."""
    coefficients = post_damping_form(0.1, momentum=0.9, damping=damping, penalty=0.2, gain=0.75)
    coefficients = coefficients.ascent() if maximize else coefficients
    multiple = nesterov_multiple(coefficients)
    displacement, next_buffer = velocity_step(1.5, -0.7, 2.0, coefficients)
    step = nesterov_step(coefficients, multiple)
    next_theta, buffer = sgd_step(step, 1.5, multiple * -0.7, 2.0)
    assert next_theta == pytest.approx(1.5 + displacement, rel=1e-14)
    assert buffer == pytest.approx(step.multiple * next_buffer, rel=1e-14)


def test_the_multiple_of_nesterovs_momentum_is_one() -> None:
    for momentum in (0.05, 0.5, 0.9, 0.999):
        coefficients = post_damping_form(0.1, momentum, damping_of_nesterov(momentum), gain=1.0)
        assert nesterov_multiple(coefficients) == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize("maximize", [False, True])
def test_the_heavy_ball_is_a_step_of_sgd(maximize: bool) -> None:
    coefficients = post_damping_form(0.1, momentum=0.9, damping=1.0, penalty=0.2, gain=0.75)
    coefficients = coefficients.ascent() if maximize else coefficients
    step = heavy_ball_step(coefficients)
    assert step is not None
    displacement, next_buffer = velocity_step(1.5, -0.7, 2.0, coefficients)
    buffer = step.momentum * -0.7 + (1 - step.dampening) * (2.0 + step.weight_decay * 1.5)
    assert buffer == pytest.approx(next_buffer, rel=1e-14)
    assert 1.5 * step.theta_factor - step.learning_rate * buffer == pytest.approx(1.5 + displacement, rel=1e-14)


@pytest.mark.parametrize(
    "coefficients",
    [
        post_damping_form(0.1, momentum=0.9, damping=1.5),
        pre_damping_form(0.1, momentum=0.9, damping=1.0),
        post_form(0.5, alpha=1.0, beta=0.5, weight_decay=0.1),
        post_damping_form(0.1, momentum=0.9, damping=1.0, gain=1e-7),
    ],
    ids=["other damping", "pre form", "decay of the velocity", "tiny gain"],
)
def test_other_steps_are_no_heavy_ball(coefficients: StepCoefficients) -> None:
    assert heavy_ball_step(coefficients) is None
