"""A proximal step is a move and a decay."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indian_core.proximal import proximal_step

numbers = st.floats(-10, 10)


@given(x=numbers, d=numbers, step_size=st.floats(0, 4), decay=st.one_of(st.just(0.0), st.floats(0, 4)))
def test_a_proximal_step_moves_and_decays(x: float, d: float, step_size: float, decay: float) -> None:
    step = proximal_step(step_size, decay)
    actual = (x - step.rate * d) / (1 + step.rate * step.penalty)
    assert actual == pytest.approx((1 - step_size * decay) * x + step_size * d, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(("step_size", "decay"), [(0.5, 2.0), (1.0, 1.0), (0.0, 1.0)])
@pytest.mark.parametrize("array", [float, np.asarray])
def test_a_decay_that_leaves_nothing_or_a_step_size_of_zero_is_no_division_by_zero(array, step_size, decay) -> None:
    step = proximal_step(array(step_size), decay)
    actual = (3.0 - step.rate * 2.0) / (1 + step.rate * step.penalty)
    assert float(actual) == pytest.approx((1 - step_size * decay) * 3.0 + step_size * 2.0)


def test_without_decay_there_is_no_penalty() -> None:
    assert proximal_step(0.5, 0.0) == (-0.5, 0.0)
