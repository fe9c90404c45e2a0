"""The energies against their definitions in the paper's variables, and against the steps that lower them."""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.linalg import eigh

from indian_core.dynamics import phase_from_velocity, pre_form, velocity_step
from indian_core.energy import (
    dissipation,
    energies,
    energy_gradient,
    largest_monotone_step_size,
    quasi_gradient_constant,
)
from indian_core.flow import phase_flow, velocity_flow

numbers = st.floats(-8, 8, allow_subnormal=False, width=32)
positive = st.floats(2**-8, 4, width=32)
rationals = st.fractions(Fraction(1, 32), 4, max_denominator=32)


@given(numbers, numbers, numbers, positive, positive)
def test_energies_are_those_of_the_paper(loss: float, theta: float, velocity: float, alpha: float, beta: float) -> None:
    phase = phase_from_velocity(theta, velocity, alpha, beta)
    kinetic = 0.5 * ((alpha - 1 / beta) * theta + phase / beta) ** 2
    minimum = (1 - math.sqrt(alpha * beta)) ** 2 * loss + kinetic
    maximum = (1 + math.sqrt(alpha * beta)) ** 2 * loss + kinetic
    # ψ/β is a large number where β is small.
    atol = 1e-14 * ((1 / beta + alpha) * (abs(theta) + 1) + abs(velocity)) ** 2
    expected = [minimum, maximum, minimum + maximum]
    np.testing.assert_allclose(energies(loss, velocity**2, alpha, beta), expected, rtol=1e-13, atol=atol)


@given(numbers, numbers, st.just(0.0) | positive, positive)
def test_energies_fall_at_the_rates_that_the_chain_rule_gives(
    velocity: float, gradient: float, alpha: float, beta: float
) -> None:
    speed, velocity_rate = velocity_flow(velocity, gradient, alpha, beta)
    # energies() is linear in the loss and in m², whose derivatives in t are these.
    rates = energies(gradient * speed, 2 * velocity * velocity_rate, alpha, beta)
    scale = (1 + alpha * beta) * (abs(gradient * speed) + abs(velocity * velocity_rate)) + alpha * speed**2
    atol = 1e-13 * (scale + beta * gradient**2 + 1e-30)
    np.testing.assert_allclose(rates, [-rate for rate in dissipation(velocity, gradient, alpha, beta)], atol=atol)


def test_energies_along_a_solution_fall_by_what_is_dissipated() -> None:
    """The equation in the paper's variables, on a nonconvex loss, with the losses of energy integrated beside it."""
    alpha, beta, start = 0.5, 0.1, np.array([-1.0, 1.5])

    def loss(theta: Any) -> Any:
        return 10 * (theta[1] - theta[0] ** 2) ** 2 + (1 - theta[0]) ** 2

    def gradient(theta: Any) -> Any:
        residual = theta[1] - theta[0] ** 2
        return np.array([-40 * theta[0] * residual - 2 * (1 - theta[0]), 20 * residual])

    def rates(_: float, state: Any) -> Any:
        theta, phase = state[:2], state[2:4]
        g = gradient(theta)
        theta_rate, phase_rate = phase_flow(theta, phase, g, alpha, beta)
        return np.concatenate([theta_rate, phase_rate, [r.sum() for r in dissipation(phase_rate, g, alpha, beta)]])

    velocity = np.array([1.0, -2.0])
    state = np.concatenate([start, phase_from_velocity(start, velocity, alpha, beta), np.zeros(3)])
    end = solve_ivp(rates, (0, 3), state, method="DOP853", rtol=1e-12, atol=1e-13).y[:, -1]
    theta, phase = end[:2], end[2:4]
    before = energies(loss(start), (velocity**2).sum(), alpha, beta)
    after = energies(loss(theta), (phase_flow(theta, phase, 0.0, alpha, beta)[1] ** 2).sum(), alpha, beta)
    np.testing.assert_allclose(np.subtract(before, after), end[4:], rtol=1e-9)
    assert end[5] > 1.1 * end[4] > 0, "a start for which it matters which rate is whose"


@given(numbers, numbers, numbers, st.just(0.0) | positive, positive)
def test_energy_gradient_turns_the_flow_into_the_rate(
    theta: float, velocity: float, gradient: float, alpha: float, beta: float
) -> None:
    phase = phase_from_velocity(theta, velocity, alpha, beta)
    rates = phase_flow(theta, phase, gradient, alpha, beta)
    along = [d * rate for d, rate in zip(energy_gradient(rates[1], gradient, alpha, beta), rates, strict=True)]
    atol = 1e-13 * sum(map(abs, along)) + 1e-30
    np.testing.assert_allclose(sum(along), -dissipation(rates[1], gradient, alpha, beta).total, atol=atol, rtol=1e-13)


def test_energy_gradient_is_the_slope_of_the_energy_over_the_phase() -> None:
    alpha, beta, phase, h = 0.5, 0.25, 0.75, 1e-6

    def energy(phase: float) -> float:
        return float(energies(0.0, phase_flow(2.0, phase, 0.0, alpha, beta)[1] ** 2, alpha, beta).total)

    slope = (energy(phase + h) - energy(phase - h)) / (2 * h)
    velocity = phase_flow(2.0, phase, 0.0, alpha, beta)[1]
    assert energy_gradient(velocity, 3.0, alpha, beta)[1] == pytest.approx(slope, rel=1e-6)


@given(positive, positive)
def test_quasi_gradient_constant_is_the_smallest_ratio_of_the_two_forms(alpha: float, beta: float) -> None:
    def form(function: Callable[[float, float], float]) -> Any:
        velocity, gradient, both = function(1.0, 0.0), function(0.0, 1.0), function(1.0, 1.0)
        mixed = (both - velocity - gradient) / 2
        return np.array([[velocity, mixed], [mixed, gradient]])

    rate = form(lambda m, g: dissipation(m, g, alpha, beta).total)
    steepness = form(lambda m, g: sum(slope**2 for slope in energy_gradient(m, g, alpha, beta)))
    smallest = eigh(rate, steepness, eigvals_only=True)[0]
    assert quasi_gradient_constant(alpha, beta) == pytest.approx(smallest, rel=1e-5)


def increase(speed: Fraction, gradient: Fraction, step_size: Fraction, a: Fraction, b: Fraction, c: Fraction) -> Any:
    """By how much a step raises E on the quadratic of curvature c; a is α, b is β."""
    theta, velocity = gradient / c, speed + b * gradient
    displacement, after = velocity_step(theta, velocity, gradient, pre_form(step_size, a, b, initial_speed=b))
    moved = theta + displacement
    return energies(c * moved**2 / 2, after**2, a, b).total - energies(c * theta**2 / 2, velocity**2, a, b).total


def never_raises(step_size: Fraction, alpha: Fraction, beta: Fraction, curvature: Fraction) -> bool:
    """Whether the increase, a quadratic form in θ̇ and g, is nowhere positive; in rational numbers, so exactly."""
    one, none = Fraction(1), Fraction(0)
    at = {(s, g): increase(s, g, step_size, alpha, beta, curvature) for s, g in ((one, none), (none, one), (one, one))}
    speed, gradient, both = at.values()
    mixed = (both - speed - gradient) / 2
    return speed <= 0 and gradient <= 0 and speed * gradient >= mixed**2


@settings(max_examples=40)
@given(rationals, rationals, rationals.map(lambda curvature: curvature**3))
def test_largest_monotone_step_size_is_where_steps_begin_to_raise_the_energy(
    alpha: Fraction, beta: Fraction, curvature: Fraction
) -> None:
    largest = Fraction(largest_monotone_step_size(float(curvature), float(alpha), float(beta)))
    assert never_raises(largest * (1 - Fraction(1, 10**10)), alpha, beta, curvature)
    assert not never_raises(largest * (1 + Fraction(1, 10**10)), alpha, beta, curvature)
    # The constant is that of Lipschitz gradients: flatter losses take the same step.
    assert never_raises(largest * (1 - Fraction(1, 10**10)), alpha, beta, curvature / 7)


def test_without_viscous_damping_no_step_size_is_monotone() -> None:
    assert largest_monotone_step_size(1.0, 0.0, 0.5) == 0
    assert not never_raises(Fraction(1, 10**9), Fraction(0), Fraction(1, 2), Fraction(1))


ARRAYS = [np.array([0.5, 1.0, -2.0, 0.0]), np.array([-3.0, 0.125, 1.0, 2.0])]
ALPHA, BETA = np.array([0.5, 0.0, 0.1, 1.3]), np.array([0.1, 0.25, 0.5, 0.1])


@pytest.mark.parametrize("function", [energies, dissipation, energy_gradient, velocity_flow])
def test_every_framework_computes_the_same(run_in_framework: Callable[..., Any], function: Callable[..., Any]) -> None:
    arguments = [abs(ARRAYS[0]), abs(ARRAYS[1])] if function is energies else ARRAYS
    actual = run_in_framework(lambda *a: tuple(function(*a)), [*arguments, ALPHA, BETA])
    np.testing.assert_allclose(actual, function(*arguments, ALPHA, BETA), rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.0, 0.5, 0.1), "curvature must be a finite number > 0, got 0.0"),
        ((math.inf, 0.5, 0.1), "curvature must be a finite number > 0, got inf"),
        ((1.0, -0.5, 0.1), "alpha must be a finite number >= 0, got -0.5"),
        ((1.0, 0.5, 0.0), "beta must be a finite number > 0, got 0.0"),
    ],
)
def test_bad_arguments(arguments: tuple[float, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        largest_monotone_step_size(*arguments)


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(TypeError, match="curvature must be a finite number > 0, got 'x' of type str"):
        largest_monotone_step_size("x", 0.5, 0.1)  # type: ignore[arg-type]
