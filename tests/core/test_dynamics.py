"""The velocity form against the phase form."""

import math
from fractions import Fraction
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from indian_core.dynamics import (
    StepCoefficients,
    initial_phase,
    initial_velocity,
    mixed_gradient,
    phase_from_velocity,
    phase_step,
    post_form,
    pre_form,
    velocity_from_phase,
    velocity_step,
    weight_decay_step,
)


class Run(NamedTuple):
    """Everything that determines a trajectory; ``start`` is None where the run begins with a first step."""

    alpha: float
    beta: float
    initial_speed: float
    weight_decay: float
    theta: float
    start: float | None
    step_sizes: tuple[float, ...]
    gradients: tuple[float, ...]

    def exact(self) -> "Run":
        """The same run in rational numbers, which know no rounding."""
        start = None if self.start is None else Fraction(self.start)
        numbers = [Fraction(x) for x in (self.alpha, self.beta, self.initial_speed, self.weight_decay, self.theta)]
        return Run(*numbers, start, tuple(map(Fraction, self.step_sizes)), tuple(map(Fraction, self.gradients)))


def numbers(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_subnormal=False, width=32)


@st.composite
def runs(draw: st.DrawFn, max_steps: int = 6) -> Run:
    alpha = draw(st.just(0.0) | numbers(2**-10, 16))
    beta = draw(numbers(2**-10, 16) | (st.just(1 / alpha) if alpha else st.nothing()))
    step_size = st.just(0.0) | numbers(2**-16, 4) | st.just(beta) | numbers(1, 4).map(lambda factor: factor * beta)
    if alpha:
        # αγ = 1, next to it, and where the post form changes its ways.
        step_size |= (st.just(1.0) | st.floats(1 - 1e-12, 1 + 1e-12)).map(lambda product: product / alpha)
        step_size |= st.sampled_from([0.75, 1.25]).map(lambda product: product / alpha)
    steps = draw(st.integers(1, max_steps))
    return Run(
        alpha=alpha,
        beta=beta,
        initial_speed=draw(st.sampled_from([0.0, 1.0, beta]) | numbers(-4, 4)),
        weight_decay=draw(st.just(0.0) | numbers(2**-10, 1)),
        theta=draw(numbers(-8, 8)),
        start=draw(st.none() | numbers(-8, 8)),
        step_sizes=tuple(draw(st.lists(step_size, min_size=steps, max_size=steps))),
        gradients=tuple(draw(st.lists(numbers(-8, 8), min_size=steps, max_size=steps))),
    )


def phase_trajectory(run: Run) -> list[tuple[Any, Any]]:
    """θ and m, which is computed from ψ, after every step of the phase form."""
    theta = run.theta
    if run.start is None:
        phase = initial_phase(theta, run.gradients[0], run.alpha, run.beta, run.initial_speed)
    else:
        phase = phase_from_velocity(theta, run.start, run.alpha, run.beta)
    points = []
    for step_size, gradient in zip(run.step_sizes, run.gradients, strict=True):
        theta = weight_decay_step(theta, step_size, run.weight_decay)
        theta, phase = phase_step(theta, phase, gradient, step_size, run.alpha, run.beta)
        points.append((theta, velocity_from_phase(theta, phase, run.alpha, run.beta)))
    return points


def velocity_trajectory(run: Run, form: Any, dtype: Any = None) -> list[tuple[Any, Any]]:
    """θ and m after every step of the velocity form; in the arrays' ``dtype``, coefficients being Python numbers."""
    convert = dtype or (lambda number: number)
    theta, velocity = convert(run.theta), convert(run.start or 0)
    points = []
    for k, (step_size, gradient) in enumerate(zip(run.step_sizes, run.gradients, strict=True)):
        first = k == 0 and run.start is None
        coefficients = coefficients_of(form, run, step_size, first)
        displacement, velocity = velocity_step(theta, velocity, convert(gradient), coefficients)
        theta = theta + displacement
        points.append((theta, velocity))
    return points


def coefficients_of(form: Any, run: Run, step_size: float, first: bool) -> StepCoefficients:
    return form(
        step_size,
        run.alpha,
        run.beta,
        initial_speed=run.initial_speed,
        weight_decay=run.weight_decay,
        first=first,
    )


def magnitudes(run: Run) -> list[tuple[float, float]]:
    """What θ and m would be if every term of every step had the same sign: the scale of the rounding errors.

    θ gets 4γ of the new velocity on top, since that is the most that the post form divides by ρ for.
    """
    theta, velocity = abs(run.theta), abs(run.start or 0.0)
    scales = []
    for k, (step_size, gradient) in enumerate(zip(run.step_sizes, map(abs, run.gradients), strict=True)):
        start = run.beta + abs(run.initial_speed) if k == 0 and run.start is None else 0.0
        velocity += step_size * run.weight_decay * (1 / run.beta + run.alpha) * theta
        theta += step_size * (run.weight_decay * theta + velocity + (start + run.beta) * gradient)
        rho = 1 + run.alpha * step_size
        velocity = rho * velocity + (rho * start + step_size * (1 + run.alpha * run.beta)) * gradient
        theta += 4 * step_size * velocity
        scales.append((theta, velocity))
    return scales


@given(runs())
@example(Run(2.0, 0.25, 1.0, 0.0, 1.0, None, (0.5, 0.5), (1.0, -2.0)))
@example(Run(0.5, 0.5, 1.0, 0.125, 1.0, None, (0.5, 0.0, 2.0), (1.0, -2.0, 3.0)))
def test_pre_form_is_exactly_the_phase_form(run: Run) -> None:
    run = run.exact()
    assert velocity_trajectory(run, pre_form) == phase_trajectory(run)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("form", [pre_form, post_form])
@given(run=runs())
@example(run=Run(2.0, 0.25, 1.0, 0.0, 1.0, None, (0.5, 0.5), (1.0, -2.0)))  # αγ = 1
@example(run=Run(2.0, 0.25, 0.5, 0.125, 1.0, None, (0.5, 0.5), (1.0, -2.0)))  # with decay, from the first step on
@example(run=Run(0.5, 1.0, 1.0, 0.0, 1.0, 1.0, (1.0, 1.0), (1.0, -2.0)))  # γ = β
@example(run=Run(2.0, 0.5, 1.0, 0.125, 1.0, 1.0, (0.5, 0.5), (1.0, -2.0)))  # both
@example(run=Run(0.25, 2**-10, 1.0, 0.0, 1.0, 1.0, (4.0, 4.0), (1.0, -2.0)))  # αγ = 1 with a tiny β
@example(run=Run(1.0, 1.0, 1.0, 0.0, 1.0, 1.0, (1 - 1e-12, 1 + 1e-12), (1.0, -2.0)))
@example(run=Run(1.0, 0.5, 0.0, 0.5, 1.0, None, (1.25, 0.75, 0.0), (1.0, -2.0, 3.0)))
def test_velocity_form_follows_the_phase_form_to_roundoff(form: Any, dtype: Any, run: Run) -> None:
    expected = phase_trajectory(run.exact())
    roundoff = float(np.finfo(dtype).eps)
    for k, (actual, exact, scale) in enumerate(
        zip(velocity_trajectory(run, form, dtype), expected, magnitudes(run), strict=True)
    ):
        for value, exact_value, magnitude in zip(actual, exact, scale, strict=True):
            assert isinstance(value, dtype)
            assert abs(Fraction(float(value)) - exact_value) <= 4 * (k + 1) * roundoff * magnitude


@given(runs(max_steps=1), st.booleans())
def test_post_form_never_needs_the_old_velocity_beside_the_new_one(run: Run, first: bool) -> None:
    coefficients = coefficients_of(post_form, run, run.step_sizes[0], first)
    assert coefficients.theta_velocity == 0
    small = abs(1 - run.alpha * run.step_sizes[0]) < 0.25
    assert (coefficients.gradient_velocity != 0) == (small and not first)


@pytest.mark.parametrize("product", [0.0, 0.5, 0.75, 1.25, 2.0, 1e6, 1e18])
def test_post_form_leaves_the_gradient_as_it_is_unless_rho_is_small(product: float) -> None:
    coefficients = post_form(product, 1.0, 0.1)
    assert mixed_gradient(None, 2.0, 3.0, coefficients.gradient_velocity) == 3.0
    assert coefficients.velocity_velocity == 1 - product


@given(run=runs(max_steps=1), first=st.booleans())
def test_post_form_with_a_bound_of_the_step_size_is_the_same_step(run: Run, first: bool) -> None:
    step_size = run.step_sizes[0]
    expected = coefficients_of(post_form, run, step_size, first)
    bounded = coefficients_of(partial(post_form, largest_step_size=step_size), run, step_size, first)
    # What the coefficient of g is the difference of.
    magnitude = abs(expected.theta_next_velocity * step_size * (1 - run.alpha * run.beta)) + step_size * run.beta
    np.testing.assert_allclose(bounded, expected, rtol=1e-14, atol=1e-14 * magnitude)


@pytest.mark.parametrize("alpha", [2.0, np.float32(2.0)], ids=["number", "array"])
@pytest.mark.parametrize("largest", [0.0, 0.375, 0.376, None])
def test_only_a_bound_that_keeps_rho_from_0_makes_the_old_velocity_absent(alpha: Any, largest: float | None) -> None:
    share = post_form(np.float32(0.25), alpha, 0.1, largest_step_size=largest).gradient_velocity
    assert share == 0
    assert isinstance(share, float) == (isinstance(alpha, float) and largest in (0.0, 0.375))


@pytest.mark.parametrize("form", [pre_form, post_form])
@given(run=runs(max_steps=1), first=st.booleans())
@example(run=Run(2.0, 0.25, 1.0, 0.125, 1.0, 1.0, (0.5,), (1.0,)), first=False)
def test_a_step_is_its_two_halves(form: Any, run: Run, first: bool) -> None:
    coefficients = coefficients_of(form, run, run.step_sizes[0], first)
    theta, velocity, gradient = run.theta, run.start or 0.0, run.gradients[0]
    mixed = mixed_gradient(theta, velocity, gradient, coefficients.gradient_velocity, coefficients.velocity_decay)
    halves = velocity_step(theta, velocity, mixed, coefficients._replace(gradient_velocity=0.0))
    assert halves == velocity_step(theta, velocity, gradient, coefficients)


@pytest.mark.parametrize("step_size", [1.0, 1 + 1e-12, 1 - 1e-12, 0.8])
def test_post_form_divides_by_nothing_small(step_size: float) -> None:
    assert max(map(abs, post_form(step_size, 1.0, 0.1, first=True))) < 5


def test_pre_form_has_no_share_of_the_new_velocity() -> None:
    assert pre_form(0.1, 0.5, 0.1).theta_next_velocity == 0


@pytest.mark.parametrize("form", [pre_form, post_form])
def test_first_may_be_a_bool_or_a_number(form: Any) -> None:
    assert form(0.1, 0.5, 0.1, first=True) == form(0.1, 0.5, 0.1, first=1) == form(0.1, 0.5, 0.1, first=1.0)
    assert form(0.1, 0.5, 0.1, first=False) == form(0.1, 0.5, 0.1, first=0.0) == form(0.1, 0.5, 0.1)
    assert form(0.1, 0.5, 0.1, first=True) != form(0.1, 0.5, 0.1)


@pytest.mark.parametrize("form", [pre_form, post_form])
def test_coefficients_cannot_be_changed(form: Any) -> None:
    with pytest.raises(AttributeError):
        form(0.1, 0.5, 0.1).theta_gradient = 0.0


@pytest.mark.parametrize("form", [pre_form, post_form])
@given(run=runs(max_steps=1), first=st.booleans())
def test_ascent_is_the_step_of_the_negative_gradient(form: Any, run: Run, first: bool) -> None:
    coefficients = coefficients_of(form, run, run.step_sizes[0], first)
    theta, velocity, gradient = run.theta, run.start or 0.0, run.gradients[0]
    assert velocity_step(theta, velocity, gradient, coefficients.ascent()) == velocity_step(
        theta, velocity, -gradient, coefficients
    )
    assert coefficients.ascent().ascent() == coefficients


# An array stands for a step size that nobody may read, as a traced one.
@pytest.mark.parametrize("step_size", [0.1, np.array(0.1)], ids=["number", "array"])
@pytest.mark.parametrize("form", [pre_form, post_form])
def test_theta_is_not_needed_without_weight_decay(form: Any, step_size: Any) -> None:
    coefficients = form(step_size, 0.5, 0.1)
    assert velocity_step(None, 2.0, 3.0, coefficients) == velocity_step(7.0, 2.0, 3.0, coefficients)


def test_velocity_step_leaves_its_arrays_alone() -> None:
    theta, velocity, gradient = np.ones(3), np.full(3, 2.0), np.full(3, 3.0)
    velocity_step(theta, velocity, gradient, post_form(0.1, 0.5, 0.1, weight_decay=0.1))
    np.testing.assert_array_equal([theta, velocity, gradient], np.repeat([[1.0], [2.0], [3.0]], 3, axis=1))


@given(runs(max_steps=1))
def test_conversions_are_inverse_to_each_other(run: Run) -> None:
    run = run.exact()
    theta, number = run.theta, run.gradients[0]
    phase = phase_from_velocity(theta, number, run.alpha, run.beta)
    assert velocity_from_phase(theta, phase, run.alpha, run.beta) == number
    velocity = velocity_from_phase(theta, number, run.alpha, run.beta)
    assert phase_from_velocity(theta, velocity, run.alpha, run.beta) == number


@given(runs(max_steps=1))
def test_initial_phase_starts_with_the_initial_speed_against_the_gradient(run: Run) -> None:
    run = run.exact()
    theta, gradient, speed = run.theta, run.gradients[0], run.initial_speed
    phase = initial_phase(theta, gradient, run.alpha, run.beta, speed)
    moved, _ = phase_step(theta, phase, gradient, Fraction(1, 8), run.alpha, run.beta)
    assert moved - theta == -Fraction(1, 8) * speed * gradient
    assert phase == (1 - run.alpha * run.beta) * theta - (run.beta**2 - run.beta * speed) * gradient
    assert initial_velocity(gradient, run.beta, speed) == velocity_from_phase(theta, phase, run.alpha, run.beta)


def test_initial_speed_is_1_unless_given() -> None:
    assert initial_phase(2.0, 3.0, 0.5, 0.25) == initial_phase(2.0, 3.0, 0.5, 0.25, 1.0)
    assert initial_velocity(3.0, 0.25) == initial_velocity(3.0, 0.25, 1.0)
    assert pre_form(0.1, 0.5, 0.1, first=True) == pre_form(0.1, 0.5, 0.1, first=True, initial_speed=1.0)


@given(runs(max_steps=1))
def test_weight_decay_shrinks_theta_and_leaves_the_phase_alone(run: Run) -> None:
    """Without gradient, a step with decay is a step without it from the smaller θ and the same ψ."""
    run = run.exact()
    theta, velocity, step_size = run.theta, run.start or Fraction(0), run.step_sizes[0]
    shrunk = theta - step_size * run.weight_decay * theta
    assert weight_decay_step(theta, step_size, run.weight_decay) == shrunk
    phase = phase_from_velocity(theta, velocity, run.alpha, run.beta)
    coefficients = coefficients_of(pre_form, run, step_size, first=False)
    displacement, next_velocity = velocity_step(theta, velocity, Fraction(0), coefficients)
    next_phase = phase_from_velocity(theta + displacement, next_velocity, run.alpha, run.beta)
    assert (theta + displacement, next_phase) == phase_step(shrunk, phase, Fraction(0), step_size, run.alpha, run.beta)


def test_velocity_form_is_more_precise_than_the_phase_form_in_float32() -> None:
    """θ and ψ are nearly equal, so the phase form subtracts large numbers; on a quadratic away from the origin."""
    alpha, beta, curvature = 0.5, 0.1, np.linspace(0.1, 2, 20)
    center = np.full(20, 10.0)

    def distance(dtype: Any, form: Any) -> np.ndarray:
        theta = center.astype(dtype) + 1
        velocity, phase = np.zeros_like(theta), None
        for k in range(500):
            step_size = 0.1 / math.sqrt(k + 1)
            gradient = curvature.astype(dtype) * (theta - center.astype(dtype))
            if form is None:
                phase = initial_phase(theta, gradient, alpha, beta) if phase is None else phase
                theta, phase = phase_step(theta, phase, gradient, step_size, alpha, beta)
            else:
                coefficients = form(step_size, alpha, beta, first=k == 0)
                displacement, velocity = velocity_step(theta, velocity, gradient, coefficients)
                theta = theta + displacement
        assert theta.dtype == dtype
        return theta - center

    exact = distance(np.float64, None)
    phase_error, pre_error, post_error = (
        np.linalg.norm(distance(np.float32, form) - exact) for form in (None, pre_form, post_form)
    )
    assert pre_error < phase_error / 2
    assert post_error < phase_error / 2
