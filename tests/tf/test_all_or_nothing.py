"""A step works for every kind of gradient, or is refused before anything has changed."""

import keras
import numpy as np
import pytest

from indian_tf import INDIAN, DampedAdamW, DampedSGD, INNAprop
from tests.releases import is_older

BACKEND = keras.backend.backend()
OPTIONS = {
    "INDIAN": (INDIAN, {}),
    "decay": (INDIAN, {"weight_decay": 0.1}),
    "INNAprop": (INNAprop, {}),
    "accumulated": (INDIAN, {"gradient_accumulation_steps": 2}),
    "clipped": (INDIAN, {"global_clipnorm": 1.0}),
    "averaged": (INDIAN, {"use_ema": True}),
    "scaled": (INDIAN, {"loss_scale_factor": 2.0}),
    "DampedSGD": (DampedSGD, {"momentum": 0.9, "damping": 3.0, "weight_decay": 0.1}),
    "DampedAdamW": (DampedAdamW, {"damping": 3.0}),
}
GRADIENTS = [np.array([0.5, -1.0]), np.array([[1.0], [2.0]])]


def make(name, dtype="float32"):
    cls, options = OPTIONS[name]
    variables = [keras.Variable(np.ones((2,)), dtype=dtype), keras.Variable(np.ones((2, 1)), dtype=dtype, name="last")]
    optimizer = cls(learning_rate=0.1, **options)
    optimizer.build(variables)
    return optimizer, variables


def snapshot(optimizer, variables):
    return [np.asarray(keras.ops.convert_to_numpy(v)).astype("float64") for v in variables + optimizer.variables]


def assert_unchanged(optimizer, variables, before):
    for value, old in zip(snapshot(optimizer, variables), before, strict=True):
        np.testing.assert_array_equal(value, old)


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize(
    ("dtype", "of_gradients"),
    [
        ("float32", "float16"),
        ("float32", "bfloat16"),
        ("bfloat16", "float32"),
        ("float16", "float32"),
        ("float32", "int32"),
    ]
    + ([] if BACKEND == "jax" else [("float64", "float32"), ("float32", "float64")]),
)
def test_gradients_of_another_dtype_make_the_step_of_the_same_numbers(tensor, name, dtype, of_gradients):
    (optimizer, variables), (plain, others) = make(name, dtype), make(name, dtype)
    numbers = [np.round(gradient) for gradient in GRADIENTS]
    for _ in range(4):
        # The last one alone differs, so that the first would have moved before an error.
        optimizer.apply([tensor(numbers[0], dtype), tensor(numbers[1], of_gradients)], variables)
        plain.apply([tensor(number, dtype) for number in numbers], others)
    rtol = {"bfloat16": 1e-2, "float16": 2e-3}.get(dtype, 1e-6)
    for actual, expected in zip(snapshot(optimizer, variables), snapshot(plain, others), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=rtol, atol=rtol / 10)


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize(
    "gradient", [[[1.0], [2.0]], np.array([[1.0], [2.0]]), [[1], [2]]], ids=["list", "array", "int"]
)
def test_a_gradient_may_be_what_can_be_converted(tensor, name, gradient):
    (optimizer, variables), (plain, others) = make(name), make(name)
    for _ in range(2):
        optimizer.apply([tensor(GRADIENTS[0]), gradient], variables)
        plain.apply([tensor(each) for each in GRADIENTS], others)
    for actual, expected in zip(snapshot(optimizer, variables), snapshot(plain, others), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-6)


WRONG = {
    "shape": (lambda tensor: tensor(np.ones(2)), ValueError),
    "scalar": (lambda tensor: tensor(1.0), ValueError),
    "list of another shape": (lambda tensor: [1.0, 2.0], ValueError),
    "number": (lambda tensor: 1.0, ValueError),
    "complex": (lambda tensor: keras.ops.convert_to_tensor(np.ones((2, 1), "complex64")), TypeError),
    "bool": (lambda tensor: tensor(np.ones((2, 1)), "bool"), TypeError),
    "string": (lambda tensor: "gradient", TypeError),
    "object": (lambda tensor: object(), TypeError),
    "dict": (lambda tensor: {}, TypeError),
}


@pytest.mark.parametrize("name", ["INDIAN", "INNAprop", "accumulated", "DampedSGD", "DampedAdamW"])
@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_gradient_of_the_last_variable_is_refused_and_nothing_has_changed(tensor, name, wrong):
    construct, error = WRONG[wrong]
    optimizer, variables = make(name)
    optimizer.apply([tensor(each) for each in GRADIENTS], variables)
    before = snapshot(optimizer, variables)
    with pytest.raises(error, match=r"^the gradient of last must be"):
        optimizer.apply([tensor(GRADIENTS[0]), construct(tensor)], variables)
    assert_unchanged(optimizer, variables, before)
    with pytest.raises(error, match=r"^the gradient of last must be"):
        optimizer.update_step(construct(tensor), variables[1], 0.1)
    assert_unchanged(optimizer, variables, before)


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("count", [1, 3])
def test_more_or_fewer_gradients_than_variables_are_refused_and_nothing_has_changed(tensor, name, count):
    optimizer, variables = make(name)
    before = snapshot(optimizer, variables)
    gradients = [tensor(GRADIENTS[0]), tensor(GRADIENTS[1]), tensor(GRADIENTS[1])][:count]
    with pytest.raises(ValueError, match=f"grads must be one for each of the 2 variables, got {count}"):
        optimizer.apply(gradients, variables)
    assert_unchanged(optimizer, variables, before)


@pytest.mark.parametrize("name", OPTIONS)
def test_an_unknown_variable_is_refused_and_nothing_has_changed(tensor, name):
    optimizer, variables = make(name)
    before = snapshot(optimizer, variables)
    with pytest.raises(ValueError, match="Unknown variable"):
        optimizer.apply([tensor(GRADIENTS[0]), tensor([1.0])], [variables[0], keras.Variable([1.0])])
    assert_unchanged(optimizer, variables, before)


def _fails():
    raise OSError("no rate today")


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize(
    ("rate", "error"),
    [(_fails, OSError), (lambda: "much", (TypeError, ValueError)), (lambda: np.ones(2), (TypeError, ValueError))],
    ids=["raises", "text", "two"],
)
def test_a_learning_rate_that_is_none_changes_nothing(tensor, name, rate, error):
    if name == "accumulated":
        pytest.skip("the first of two batches needs no rate")
    optimizer, variables = make(name)
    optimizer.learning_rate = rate
    before = snapshot(optimizer, variables)
    with pytest.raises(error):
        optimizer.apply([tensor(each) for each in GRADIENTS], variables)
    assert_unchanged(optimizer, variables, before)


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_gradients_that_are_not_finite_raise_nothing_and_stay_with_their_variable(tensor, name, bad):
    """As on Keras' own optimizers; `keras.optimizers.LossScaleOptimizer` leaves such steps out."""
    optimizer, variables = make(name)
    for _ in range(2):
        optimizer.apply([tensor(GRADIENTS[0]), tensor(np.full((2, 1), bad))], variables)
    assert np.isnan(variables[1].numpy()).all() or np.isinf(variables[1].numpy()).all()
    assert name == "clipped" or np.isfinite(variables[0].numpy()).all()
    # Keras 3.3 counts each call, and 3.10 the updates.
    accumulates = name == "accumulated" and not is_older(keras, "3.10")
    assert int(keras.ops.convert_to_numpy(optimizer.iterations)) == (1 if accumulates else 2)


class _Failing(INDIAN):
    """A user's own step, which fails for the last variable."""

    fails = True

    def update_step(self, gradient, variable, learning_rate):
        super().update_step(gradient, variable, learning_rate)
        if self.fails and tuple(variable.shape) == (2, 1):
            raise OSError("the log is full")


@pytest.mark.parametrize("options", [{}, {"norm": "rmsprop", "weight_decay": 0.1}, {"use_ema": True}], ids=str)
def test_a_step_of_a_subclass_that_raises_is_undone(tensor, options):
    optimizer, plain = _Failing(0.1, **options), INDIAN(0.1, **options)
    _, variables = make("INDIAN")
    _, others = make("INDIAN")
    optimizer.build(variables)
    before = snapshot(optimizer, variables)
    gradients = [tensor(each) for each in GRADIENTS]
    with pytest.raises(OSError, match="the log is full"):
        optimizer.apply(gradients, variables)
    assert_unchanged(optimizer, variables, before)
    optimizer.fails = False
    for _ in range(2):
        optimizer.apply(gradients, variables)
        plain.apply(gradients, others)
    for actual, expected in zip(snapshot(optimizer, variables), snapshot(plain, others), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-6)


def test_a_constraint_that_raises_finds_the_step_taken_as_on_the_optimizers_of_keras(tensor):
    class Raising(keras.constraints.Constraint):
        def __call__(self, w):
            raise OSError("no such constraint")

    moved = []
    for optimizer in (INDIAN(0.1), keras.optimizers.SGD(0.1)):
        variables = make("INDIAN")[1]
        variables[1].constraint = Raising()
        optimizer.build(variables)
        before = snapshot(optimizer, variables)
        with pytest.raises(OSError, match="no such constraint"):
            optimizer.apply([tensor(each) for each in GRADIENTS], variables)
        after = snapshot(optimizer, variables)
        moved.append([bool((a != b).any()) for a, b in zip(before[:2], after[:2], strict=True)])
        assert int(optimizer.iterations) == 0
    # On JAX an error is undone at no cost.
    assert moved == [[BACKEND != "jax"] * 2, [True] * 2]
