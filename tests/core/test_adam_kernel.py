"""A step in the order of Adam, with any damping, as one step of Adam."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indian_core.adam_kernel import adam_step
from indian_core.damping import allows_post_form, direction_step, post_damping_form, pre_damping_form


@given(
    momentum=st.floats(0.0, 0.99),
    share=st.floats(0.0, 0.7),
    count=st.integers(1, 1000),
    maximize=st.booleans(),
    weight_decay=st.floats(0, 1),
    is_heavy_ball=st.booleans(),
)
def test_it_is_the_step(
    momentum: float, share: float, count: int, maximize: bool, weight_decay: float, is_heavy_ball: bool
) -> None:
    """For each damping from near 0 to 0.7/(1 − μ)."""
    damping = 1.0 if is_heavy_ball else 0.1 + share * (1 / (1 - momentum) - 0.1)
    options = {"weight_decay": weight_decay, "count": count}
    pre = post = pre_damping_form(0.1, momentum, damping, **options)
    if allows_post_form(momentum, damping):
        post = post_damping_form(0.1, momentum, damping, **options)
    if maximize:
        pre, post = pre.ascent(), post.ascent()
    step = adam_step(pre, post, count)
    assert step is not None
    assert 0 <= step.momentum < 1
    assert step.maximize == maximize
    gradient, buffer, scale = 0.7, 0.0 if count == 1 else -0.4, 1.7
    displacement, next_buffer = direction_step(1.3, buffer, gradient, scale, pre)
    gradient = -gradient if step.maximize else gradient
    average = step.momentum * buffer + (1 - step.momentum) * gradient
    direction = average / (1 - step.momentum**count) / scale
    assert -step.learning_rate * (step.weight_decay * 1.3 + direction) == pytest.approx(
        displacement, rel=1e-9, abs=1e-12
    )
    found = (1 - step.gradient_share) * average + step.gradient_share * gradient
    assert found == pytest.approx(next_buffer, rel=1e-9, abs=1e-12)


def test_the_heavy_ball_keeps_its_average() -> None:
    for momentum in (0.0, 0.1, 0.9):
        pre = post = pre_damping_form(0.1, momentum, 1.0, count=3)
        if momentum:
            post = post_damping_form(0.1, momentum, 1.0, count=3)
        step = adam_step(pre, post, 3)
        assert step is not None
        assert math.isclose(step.learning_rate, 0.1, rel_tol=1e-14)
        assert step.momentum == momentum
        assert step.gradient_share == 0


@pytest.mark.parametrize(("learning_rate", "damping"), [(0.1, 11.0), (0.1, 9.5), (0.0, 1.0)])
def test_a_step_that_subtracts_or_forgets_the_buffer_or_does_not_move_is_none(
    learning_rate: float, damping: float
) -> None:
    coefficients = pre_damping_form(learning_rate, 0.9, damping, count=30)
    assert adam_step(coefficients, coefficients, 30) is None
