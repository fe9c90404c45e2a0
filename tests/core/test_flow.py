"""The differential equation: what a step is Euler's method for."""

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from indian_core.dynamics import phase_step, pre_form, velocity_from_phase, velocity_step
from indian_core.flow import phase_flow, velocity_flow

rationals = st.fractions(-8, 8, max_denominator=64)
positive = st.fractions(Fraction(1, 64), 4, max_denominator=64)


@settings(max_examples=25)
@given(rationals, rationals, rationals, positive, positive, positive)
def test_a_step_moves_by_the_rates_times_its_size(
    theta: Fraction, phase: Fraction, gradient: Fraction, step_size: Fraction, alpha: Fraction, beta: Fraction
) -> None:
    theta_rate, phase_rate = phase_flow(theta, phase, gradient, alpha, beta)
    after = phase_step(theta, phase, gradient, step_size, alpha, beta)
    assert after == (theta + step_size * theta_rate, phase + step_size * phase_rate)

    velocity = velocity_from_phase(theta, phase, alpha, beta)
    speed, velocity_rate = velocity_flow(velocity, gradient, alpha, beta)
    assert speed == theta_rate
    step = velocity_step(theta, velocity, gradient, pre_form(step_size, alpha, beta, initial_speed=beta))
    assert step == (step_size * speed, velocity + step_size * velocity_rate)
