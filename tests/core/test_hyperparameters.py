import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indian_core.hyperparameters import (
    DEFAULTS,
    INNAPROP_DEFAULTS,
    RANGES,
    Defaults,
    Range,
    check,
    check_choice,
    check_flag,
    check_number,
    check_whole_number,
    resolve_initial_speed,
)
from indian_core.norms import NORMS

RANGE_OF = {
    "lr": "a finite number >= 0",
    "learning_rate": "a finite number >= 0",
    "alpha": "a finite number >= 0",
    "beta": "a finite number > 0",
    "initial_speed": "a finite number, 'auto' or None",
    "weight_decay": "a finite number >= 0",
    "norm_decay": "a number in [0, 1)",
    "norm_epsilon": "a finite number >= 0",
}


def names_and(variable: str, values: Sequence[Any], label: Callable[[Any], str] = repr) -> pytest.MarkDecorator:
    """Every value for one hyperparameter, and for the others, which take the same path, the first value."""
    pairs = [("beta", value) for value in values] + [(name, values[0]) for name in RANGE_OF if name != "beta"]
    return pytest.mark.parametrize(
        ("name", variable), [pytest.param(name, value, id=f"{name}-{label(value)}") for name, value in pairs]
    )


def refusal(name: str, value: Any) -> Exception:
    with pytest.raises((TypeError, ValueError)) as caught:
        check(**{name: value})
    return caught.value


def shown(value: Any) -> str:
    """A NumPy number is shown as the plain number that it is."""
    return repr(value.item() if isinstance(value, np.generic) else value)


def test_these_are_all_the_hyperparameters() -> None:
    assert RANGES.keys() == RANGE_OF.keys()


@pytest.mark.parametrize("defaults", [DEFAULTS, INNAPROP_DEFAULTS])
def test_defaults_are_in_range(defaults: Defaults) -> None:
    values = defaults._asdict()
    check_choice("norm", values.pop("norm"), NORMS, optional=True)
    check(**values)


def test_an_initial_speed_may_be_auto_or_none() -> None:
    """Also a string that is equal to that of the code, and not the same object: one from a file."""
    for value in (None, "auto", "-auto"[1:]):
        assert check(initial_speed=value) == {"initial_speed": value}


@pytest.mark.parametrize("name", sorted(RANGE_OF.keys() - {"initial_speed"}))
@pytest.mark.parametrize("value", [None, "auto"])
def test_no_other_hyperparameter_may_be_auto_or_none(name: str, value: Any) -> None:
    error = refusal(name, value)
    assert type(error) is TypeError
    assert str(error) == f"{name} must be {RANGE_OF[name]}, got {value!r} of type {type(value).__name__}"


@pytest.mark.parametrize("norm", [None, *NORMS])
def test_the_automatic_initial_speed_is_1_without_a_norm_and_from_rest_in_one(norm: str | None) -> None:
    automatic = 1.0 if norm is None else None
    assert resolve_initial_speed(DEFAULTS.initial_speed, norm) == automatic
    assert resolve_initial_speed("-auto"[1:], norm) == automatic


@pytest.mark.parametrize("norm", [None, *NORMS])
@pytest.mark.parametrize("speed", [None, 0.0, 1.0, np.array([0.5])], ids=str)
def test_an_initial_speed_that_is_given_is_taken_as_it_is_in_every_norm(norm: str | None, speed: Any) -> None:
    assert resolve_initial_speed(speed, norm) is speed


@names_and("value", [math.nan, math.inf, -math.inf, np.float32("nan"), np.float64("inf")])
def test_not_finite(name: str, value: Any) -> None:
    error = refusal(name, value)
    assert type(error) is ValueError
    assert str(error) == f"{name} must be {RANGE_OF[name]}, got {shown(value)}"


@names_and("value", [10**400, -(10**400), Fraction(10**400, 3)], lambda value: f"{type(value).__name__}{value > 0}")
def test_too_large_for_a_float(name: str, value: Any) -> None:
    error = refusal(name, value)
    assert type(error) is ValueError
    assert str(error) == f"{name} must be {RANGE_OF[name]}, got {shown(value)}"


@names_and(
    "value",
    ["0.1", b"1", [0.1], (0.1,), {}, True, False, 0.1 + 0j, Decimal("0.1"), ..., int, np.ndarray],
)
def test_wrong_type(name: str, value: Any) -> None:
    error = refusal(name, value)
    assert type(error) is TypeError
    assert str(error) == f"{name} must be {RANGE_OF[name]}, got {value!r} of type {type(value).__name__}"


@names_and("value", [np.array("0.1"), np.array([None]), np.True_, np.array([True]), np.complex128(1)])
def test_wrong_type_in_a_numpy_array(name: str, value: Any) -> None:
    error = refusal(name, value)
    assert type(error) is TypeError
    assert str(error).startswith(f"{name} must be {RANGE_OF[name]}, got {value.item()!r} of type ")


def test_wrong_type_in_the_arrays_of_the_frameworks() -> None:
    import jax.numpy as jnp
    import keras
    import tensorflow as tf
    import torch

    for value in (
        torch.tensor(True),
        torch.tensor(1j),
        jnp.array([True]),
        jnp.array(1j),
        tf.constant("0.1"),
        tf.constant(True),
        keras.KerasTensor(()),  # Symbolic: it has no value to check.
    ):
        error = refusal("beta", value)
        assert type(error) is TypeError
        assert str(error).startswith("beta must be a finite number > 0, got ")


@names_and("values", [[], [0.1, 0.2], [[0.1, 0.2]], [[], []]])
def test_wrong_shape(make_array: Callable[[Any], Any], name: str, values: Any) -> None:
    error = refusal(name, make_array(values))
    assert type(error) is ValueError
    assert str(error) == f"{name} must be {RANGE_OF[name]}, got an array of shape {np.shape(values)}"


OUT_OF_RANGE = {
    "lr": [-1, -0.1, -5e-324],
    "learning_rate": [-1, -0.1, np.float32(-0.5)],
    "alpha": [-1, -1e-12, Fraction(-1, 3)],
    "beta": [0, 0.0, -0.0, -1, Fraction(1, 10**400)],
    "weight_decay": [-1, -1e-12, np.int64(-1)],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in OUT_OF_RANGE for value in OUT_OF_RANGE[name]])
def test_out_of_range(name: str, value: Any) -> None:
    error = refusal(name, value)
    assert type(error) is ValueError
    assert str(error) == f"{name} must be {RANGE_OF[name]}, got {shown(value)}"


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf])
def test_out_of_range_in_an_array(make_array: Callable[[Any], Any], value: float, shape: tuple[int, ...]) -> None:
    error = refusal("alpha", make_array(np.full(shape, value)))
    assert type(error) is ValueError
    assert str(error).startswith("alpha must be a finite number >= 0, got ")


@names_and(
    "value",
    [1, 0.5, 5e-324, 1e308, np.float32(0.1), np.float16(0.1), np.int64(2), np.uint8(2), Fraction(1, 3)],
)
def test_accepted_numbers(name: str, value: Any) -> None:
    if name == "norm_decay":
        value = type(value)(0) if value >= 1 else value
    check(**{name: value})


@names_and("shape", [(), (1,), (1, 1)])
def test_accepted_arrays(make_array: Callable[[Any], Any], name: str, shape: tuple[int, ...]) -> None:
    check(**{name: make_array(np.full(shape, 0.5))})


def test_accepted_tensors_that_need_a_gradient_and_of_low_precision() -> None:
    import jax.numpy as jnp
    import torch

    check(lr=torch.tensor(0.1, requires_grad=True), alpha=torch.tensor(0.5, dtype=torch.bfloat16), beta=torch.tensor(1))
    check(lr=jnp.array(0.1, jnp.bfloat16), alpha=jnp.int32(1))


def test_smallest_values() -> None:
    check(lr=0, learning_rate=0.0, alpha=0, beta=5e-324, initial_speed=-1e308, weight_decay=-0.0)


def test_first_bad_hyperparameter_is_named_among_several() -> None:
    with pytest.raises(ValueError, match="alpha must be"):
        check(lr=0.1, alpha=-1, beta=0.1)


def test_unknown_names_are_not_accepted() -> None:
    with pytest.raises(TypeError, match=r"a hyperparameter must be one of lr, learning_rate, .*, got gamma"):
        check(gamma=0.1)


@given(st.floats())
def test_check_number_accepts_the_range_and_nothing_else(value: float) -> None:
    allowed = Range(0.0, exclusive=True, maximum=1.0)
    if 0 < value <= 1:
        check_number("momentum", value, allowed)
    else:
        with pytest.raises(ValueError, match=r"momentum must be a number in \(0, 1\], got "):
            check_number("momentum", value, allowed)


@pytest.mark.parametrize("value", [0, 1, 10**400, np.int32(3), np.uint8(0)], ids=["0", "1", "huge", "int32", "uint8"])
def test_accepted_whole_numbers(value: Any) -> None:
    check_whole_number("steps", value)


@pytest.mark.parametrize("value", [1.0, "1", None, True, np.float64(1), [1], np.array([1])], ids=repr)
def test_whole_number_of_the_wrong_type(value: Any) -> None:
    with pytest.raises(TypeError, match=r"steps must be an integer >= 0, got .* of type "):
        check_whole_number("steps", value)


@pytest.mark.parametrize("value", [-1, np.int64(-3)])
def test_negative_whole_number(value: Any) -> None:
    with pytest.raises(ValueError, match=r"steps must be an integer >= 0, got .*-"):
        check_whole_number("steps", value)


@pytest.mark.parametrize("value", [1.0, 2.0, np.float64(1)], ids=repr)
def test_an_exclusive_maximum_is_left_out(value: float) -> None:
    with pytest.raises(ValueError, match=r"norm_decay must be a number in \[0, 1\), got "):
        check(norm_decay=value)


def test_accepted_choices() -> None:
    check_choice("norm", "adagrad", NORMS)
    check_choice("norm", None, NORMS, optional=True)


@pytest.mark.parametrize("value", [1, b"rmsprop", ["rmsprop"], None], ids=repr)
def test_choice_of_the_wrong_type(value: Any) -> None:
    with pytest.raises(TypeError, match=r"norm must be 'rmsprop' or 'adagrad', got .* of type"):
        check_choice("norm", value, NORMS)


@pytest.mark.parametrize("value", ["", "RMSprop", "adam"])
def test_choice_of_another_string(value: str) -> None:
    with pytest.raises(ValueError, match=f"norm must be 'rmsprop', 'adagrad' or None, got '{value}'"):
        check_choice("norm", value, NORMS, optional=True)


def test_accepted_flags() -> None:
    check_flag("nesterov", True)
    check_flag("nesterov", False)
    check_flag("foreach", None, optional=True)


@pytest.mark.parametrize("value", [0, 1, "True", np.True_, []], ids=repr)
def test_flag_of_the_wrong_type(value: Any) -> None:
    with pytest.raises(TypeError, match=r"nesterov must be True or False, got .* of type "):
        check_flag("nesterov", value)
    with pytest.raises(TypeError, match=r"foreach must be True, False or None, got .* of type "):
        check_flag("foreach", value, optional=True)


def test_flag_may_be_none_only_where_it_is_optional() -> None:
    with pytest.raises(TypeError, match="nesterov must be True or False, got None of type NoneType"):
        check_flag("nesterov", None)
