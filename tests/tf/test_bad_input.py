"""Wrong arguments are refused with the argument, the value and the range, before anything has changed."""

import inspect
import re

import keras
import numpy as np
import pytest

from indian_tf import INDIAN, INNA, INNAprop, LogarithmicDecay, PowerDecay

NON_NEGATIVE = "a finite number >= 0"
POSITIVE = "a finite number > 0"
ANY = "a finite number, 'auto' or None"
RANGES = {
    "learning_rate": NON_NEGATIVE,
    "alpha": NON_NEGATIVE,
    "beta": POSITIVE,
    "initial_speed": ANY,
    "weight_decay": NON_NEGATIVE,
    "norm_epsilon": NON_NEGATIVE,
    "clipnorm": POSITIVE,
    "clipvalue": POSITIVE,
    "global_clipnorm": POSITIVE,
    "loss_scale_factor": POSITIVE,
}
NOT_NUMBERS = ["0.1", True, 1j, [0.1], {}]
NOT_FINITE = [float("nan"), float("inf"), -float("inf"), np.float32("nan")]


def _check(construct, name, value, error, allowed):
    with pytest.raises(error, match=f"^{re.escape(f'{name} must be {allowed}, got ')}"):
        construct(**{name: value})


@pytest.mark.parametrize(("name", "allowed"), RANGES.items())
def test_a_hyperparameter_must_be_a_finite_number_in_its_range(name, allowed):
    for value in NOT_NUMBERS:
        _check(INDIAN, name, value, TypeError, allowed)
    for value in NOT_FINITE:
        _check(INDIAN, name, value, ValueError, allowed)
    for value in ([-0.1, -1] if allowed != ANY else []) + ([0, 0.0, np.float32(0)] if allowed == POSITIVE else []):
        _check(INDIAN, name, value, ValueError, allowed)
    for value in (np.ones(2), np.ones((1, 2)), np.ones(0), keras.ops.ones(3), keras.Variable([1.0, 2.0])):
        _check(INDIAN, name, value, ValueError, allowed)


@pytest.mark.parametrize("name", RANGES)
def test_a_hyperparameter_may_be_an_array_of_one_number(name):
    numbers = [np.float32(0.5), np.array(0.5), np.array([0.5]), keras.ops.convert_to_tensor(0.5), keras.Variable(0.5)]
    for number in numbers:
        assert INDIAN(**{name: number}).get_config()[name] == 0.5


@pytest.mark.parametrize("use_ema", [False, True])
def test_the_momentum_of_the_average_must_be_a_number_from_0_to_1(use_ema):
    def construct(**options):
        return INDIAN(use_ema=use_ema, **options)

    for wrong in (*NOT_NUMBERS, None):
        _check(construct, "ema_momentum", wrong, TypeError, "a number in [0, 1]")
    for wrong in (*NOT_FINITE, -0.1, 1.5, np.ones(2)):
        _check(construct, "ema_momentum", wrong, ValueError, "a number in [0, 1]")
    for momentum in (0, 1, np.float32(0.5)):
        assert construct(ema_momentum=momentum).get_config()["ema_momentum"] == momentum


@pytest.mark.parametrize(("name", "smallest"), [("gradient_accumulation_steps", 2), ("ema_overwrite_frequency", 1)])
def test_a_count_must_be_a_whole_number_in_its_range(name, smallest):
    for wrong in (2.5, 3.0, "3", True, False, float("nan"), [3], np.ones(1)):
        _check(INDIAN, name, wrong, TypeError, f"an integer >= {smallest}")
    for wrong in (smallest - 1, 0, -3, np.int64(0)):
        _check(INDIAN, name, wrong, ValueError, f"an integer >= {smallest}")
    for count in (None, smallest, np.int64(3)):
        assert INDIAN(use_ema=True, **{name: count}).get_config()[name] == count


def test_whether_to_average_must_be_true_or_false():
    for wrong in ("no", 1, None):
        _check(INDIAN, "use_ema", wrong, TypeError, "True or False")


def test_a_class_of_schedules_is_no_learning_rate():
    _check(INDIAN, "learning_rate", PowerDecay, TypeError, NON_NEGATIVE)


@pytest.mark.parametrize("name", ["alpha", "beta"])
def test_hyperparameters_that_must_not_be_none(name):
    _check(INDIAN, name, None, TypeError, RANGES[name])


def test_the_decay_of_the_norm_must_be_a_number_from_0_to_below_1():
    for wrong in (*NOT_NUMBERS, None):
        _check(INDIAN, "norm_decay", wrong, TypeError, "a number in [0, 1)")
    for wrong in (*NOT_FINITE, -0.1, 1, 1.5, np.ones(2)):
        _check(INNAprop, "norm_decay", wrong, ValueError, "a number in [0, 1)")
    assert INNAprop(norm_decay=np.float32(0.5)).norm_decay == 0.5


def test_the_norm_must_be_one_that_there_is():
    allowed = "'rmsprop', 'adagrad' or None"
    for wrong in (1, True, ["rmsprop"], INDIAN):
        _check(INDIAN, "norm", wrong, TypeError, allowed)
    for wrong in ("adam", "RMSProp", ""):
        _check(INDIAN, "norm", wrong, ValueError, allowed)


@pytest.mark.parametrize("wrong", ["int32", "half", "", 1.0, keras.Variable, ["float32"], "complex64", "bool"])
def test_the_dtype_of_the_norm_must_be_a_floating_one(wrong):
    _check(INDIAN, "norm_dtype", wrong, TypeError, "a floating dtype of 16 bits or more, or None")


@pytest.mark.parametrize("schedule", [PowerDecay, LogarithmicDecay])
@pytest.mark.parametrize("name", ["initial_learning_rate", "power"])
def test_the_arguments_of_a_schedule_must_be_finite_numbers_in_their_range(schedule, name):
    def construct(**options):
        return schedule(**({"initial_learning_rate": 0.1} | options))

    for wrong in (*NOT_NUMBERS, None):
        _check(construct, name, wrong, TypeError, NON_NEGATIVE)
    for wrong in (*NOT_FINITE, -0.1, np.ones(2)):
        _check(construct, name, wrong, ValueError, NON_NEGATIVE)


def test_the_warmup_of_a_schedule_must_be_a_whole_number():
    for wrong in (0.5, "1", True, None):
        _check(lambda **options: PowerDecay(0.1, **options), "warmup_steps", wrong, TypeError, "an integer >= 0")
    _check(lambda **options: PowerDecay(0.1, **options), "warmup_steps", -1, ValueError, "an integer >= 0")


@pytest.mark.parametrize("wrong", ["bias", b"bias", [b"bias"], [None], ["bias", 3]])
def test_the_names_of_exempt_variables_must_be_a_list_of_strings(wrong):
    """The letters of a string would be four expressions, of which one or the other matches nearly every name."""
    optimizer = INDIAN(weight_decay=0.1)
    with pytest.raises(TypeError, match=f"^var_names must be a list of strings, got {re.escape(repr(wrong))} of type "):
        optimizer.exclude_from_weight_decay(var_names=wrong)
    assert optimizer.get_config() == INDIAN(weight_decay=0.1, name=optimizer.name).get_config()


@pytest.mark.parametrize("construct", [INDIAN, INNA, INNAprop])
def test_an_unknown_keyword_is_refused_by_name(construct):
    with pytest.raises(TypeError, match=f"^{construct.__name__} has no momentum"):
        construct(momentum=0.9)


def test_hyperparameters_beyond_the_first_three_are_keywords_only():
    kinds = {name: parameter.kind for name, parameter in inspect.signature(INDIAN).parameters.items()}
    assert [name for name, kind in kinds.items() if kind is inspect.Parameter.POSITIONAL_OR_KEYWORD] == [
        "learning_rate",
        "alpha",
        "beta",
    ]


@pytest.mark.parametrize("shape", [(), (1,), (4,), (3, 1), (1, 3)])
@pytest.mark.parametrize("options", [{}, {"gradient_accumulation_steps": 2}], ids=["", "accumulated"])
def test_a_gradient_of_another_shape_is_refused_and_changes_nothing(apply, shape, options):
    """Arithmetic would broadcast it."""
    optimizer, variables = INDIAN(**options), [keras.Variable(np.ones(2)), keras.Variable(np.ones(3), name="weights")]
    apply(optimizer, [np.ones(2), np.ones(3)], variables)
    before = [v.numpy().copy() for v in variables + optimizer.variables]
    message = f"the gradient of weights must be of shape (3,), got an array of shape {shape}"
    with pytest.raises(ValueError, match=re.escape(message)):
        apply(optimizer, [np.ones(2), np.ones(shape)], variables)
    for value, old in zip(variables + optimizer.variables, before, strict=True):
        np.testing.assert_array_equal(value.numpy(), old)


def test_the_phase_of_a_variable_that_took_no_step_is_refused():
    optimizer, variable = INDIAN(), keras.Variable([1.0])
    optimizer.build([variable])
    with pytest.raises(ValueError, match="variable must have taken a step"):
        optimizer.phase(variable)


@pytest.mark.parametrize("wrong", [lambda: keras.Variable([1.0]), lambda: np.ones(1), lambda: "kernel", lambda: None])
@pytest.mark.parametrize("built", [False, True])
def test_the_phase_of_an_unknown_variable_is_refused(apply, wrong, built):
    optimizer = INDIAN()
    if built:
        apply(optimizer, [[1.0]], [keras.Variable([1.0])])
    with pytest.raises(ValueError, match="variable must be one that the optimizer was built with, got "):
        optimizer.phase(wrong())
