import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indian_core.schedules import Constant, LogarithmicDecay, PowerDecay, assumption_1

initials = st.floats(1e-6, 1e3)
steps = st.integers(0, 10**6)


@given(initials, steps)
def test_constant_is_constant(initial: float, k: int) -> None:
    assert Constant(initial)(k) == initial


@given(initials, st.floats(0, 4), steps)
def test_power_decay_is_its_closed_form(initial: float, power: float, k: int) -> None:
    assert PowerDecay(initial, power)(k) == pytest.approx(initial / (k + 1) ** power, rel=1e-14)


def test_power_decay_values() -> None:
    assert [PowerDecay(0.6, power=1.0)(k) for k in range(4)] == pytest.approx([0.6, 0.3, 0.2, 0.15], rel=1e-15)
    assert PowerDecay(0.1, power=0.5)(99) == pytest.approx(0.01, rel=1e-15)
    assert PowerDecay(0.1)(8) == PowerDecay(0.1, power=0.5)(8)


@given(initials, st.floats(0.125, 2), st.integers(0, 1000), st.integers(0, 3000))
def test_warmup_is_linear_and_then_the_decay_starts(initial: float, power: float, warmup_steps: int, k: int) -> None:
    schedule = PowerDecay(initial, power, warmup_steps)
    if k < warmup_steps:
        assert schedule(k) == pytest.approx(initial * (k + 1) / (warmup_steps + 1), rel=1e-12)
        assert schedule(k) < schedule(k + 1)
    else:
        assert schedule(k) == PowerDecay(initial, power)(k - warmup_steps)


@pytest.mark.parametrize("warmup_steps", [0, 1, 2, 7, 100])
def test_warmup_peaks_once_at_the_initial_step_size(warmup_steps: int) -> None:
    step_sizes = PowerDecay(0.3, power=0.5, warmup_steps=warmup_steps)(np.arange(300))
    assert step_sizes.argmax() == warmup_steps
    assert step_sizes[warmup_steps] == 0.3
    assert (np.diff(step_sizes[: warmup_steps + 1]) > 0).all()
    assert (np.diff(step_sizes[warmup_steps:]) < 0).all()


@given(initials, st.floats(0, 4), steps)
def test_logarithmic_decay_is_its_closed_form(initial: float, power: float, k: int) -> None:
    assert LogarithmicDecay(initial, power)(k) == pytest.approx(initial / math.log(k + math.e) ** power, rel=1e-13)


@pytest.mark.parametrize(
    "schedule", [PowerDecay(0.1, 0.125), PowerDecay(0.1, 1.0), LogarithmicDecay(0.1, 2.0), LogarithmicDecay(0.1, 0.5)]
)
def test_decreases_strictly_from_the_initial_value(schedule: Any) -> None:
    step_sizes = [schedule(k) for k in range(1000)]
    assert step_sizes[0] == 0.1
    assert all(later < earlier for earlier, later in itertools.pairwise(step_sizes))
    assert step_sizes[-1] > 0


def test_default_logarithmic_decay_meets_assumption_1() -> None:
    assert assumption_1(LogarithmicDecay(0.1))


@pytest.mark.parametrize(
    "schedule",
    [
        PowerDecay(0.1, power=1.0),
        PowerDecay(0.1, power=0.5),
        PowerDecay(0.1, power=0.001),
        PowerDecay(0.1, power=1.0, warmup_steps=10),
        LogarithmicDecay(0.1, power=1.001),
        LogarithmicDecay(0.1, power=7.0),
    ],
    ids=repr,
)
def test_assumption_1_holds(schedule: Any) -> None:
    answer = assumption_1(schedule)
    assert answer
    assert answer.holds is True
    assert answer.reason == "Σγ_k is infinite and γ_k log k tends to 0"


_CONSTANT = "γ_k log k grows without bound: the step size does not decrease"
_SLOW = "γ_k log k does not tend to 0: the logarithm's power is {}, and must exceed 1"
_FAST = "Σγ_k is finite: the power is {}, and at most 1 is allowed"
_ZERO = "γ_k is 0, and must be positive"


@pytest.mark.parametrize(
    ("schedule", "reason"),
    [
        (Constant(0.1), _CONSTANT),
        (PowerDecay(0.1, power=0.0), _CONSTANT),
        (LogarithmicDecay(0.1, power=0.0), _CONSTANT),
        (PowerDecay(0.1, power=1.001), _FAST.format("1.001")),
        (PowerDecay(0.1, power=2.0, warmup_steps=5), _FAST.format("2")),
        (LogarithmicDecay(0.1, power=1.0), _SLOW.format("1")),
        (LogarithmicDecay(0.1, power=0.5), _SLOW.format("0.5")),
        (Constant(0.0), _ZERO),
        (PowerDecay(0.0, power=0.5), _ZERO),
        (LogarithmicDecay(0.0, power=2.0), _ZERO),
    ],
    ids=repr,
)
def test_assumption_1_fails_and_says_why(schedule: Any, reason: str) -> None:
    answer = assumption_1(schedule)
    assert not answer
    assert answer.holds is False
    assert answer.reason == reason


@pytest.mark.parametrize("schedule", [lambda k: 0.1 / (k + 1), 0.1, None, PowerDecay])
def test_assumption_1_cannot_be_decided_for_an_arbitrary_function(schedule: Any) -> None:
    with pytest.raises(TypeError, match="schedule must be a Constant, PowerDecay or LogarithmicDecay, got "):
        assumption_1(schedule)


@pytest.mark.parametrize(
    ("kind", "arguments", "error", "message"),
    [
        (Constant, {"initial": -0.1}, ValueError, "initial must be a finite number >= 0, got -0.1"),
        (Constant, {"initial": math.nan}, ValueError, "initial must be a finite number >= 0, got nan"),
        (Constant, {"initial": "fast"}, TypeError, "initial must be a finite number >= 0, got 'fast' of type str"),
        (PowerDecay, {"initial": math.inf}, ValueError, "initial must be a finite number >= 0, got inf"),
        (PowerDecay, {"initial": 0.1, "power": -1}, ValueError, "power must be a finite number >= 0, got -1"),
        (PowerDecay, {"initial": 0.1, "power": None}, TypeError, "power must be a finite number >= 0, got None"),
        (PowerDecay, {"initial": 0.1, "warmup_steps": -1}, ValueError, "warmup_steps must be an integer >= 0, got -1"),
        (PowerDecay, {"initial": 0.1, "warmup_steps": 1.0}, TypeError, "warmup_steps must be an integer >= 0, got 1.0"),
        (PowerDecay, {"initial": 0.1, "warmup_steps": True}, TypeError, "warmup_steps must be an integer >= 0, got Tr"),
        (LogarithmicDecay, {"initial": -1}, ValueError, "initial must be a finite number >= 0, got -1"),
        (LogarithmicDecay, {"initial": 0.1, "power": math.nan}, ValueError, "power must be a finite number >= 0, got"),
    ],
)
def test_bad_arguments(kind: Any, arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        kind(**arguments)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("schedule", [Constant(0.1), PowerDecay(0.1), LogarithmicDecay(0.1)], ids=repr)
def test_is_an_immutable_value(schedule: Any) -> None:
    with pytest.raises(AttributeError):
        schedule.initial = 0.2
    assert schedule == type(schedule)(0.1)
    assert hash(schedule) == hash(type(schedule)(0.1))
    assert schedule != type(schedule)(0.2)
