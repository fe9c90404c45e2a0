"""`update_step`, called directly and by `apply`, as on Keras' own optimizers."""

import re

import keras
import numpy as np
import pytest

from indian_core.reference import PhaseForm
from indian_tf import INDIAN, INNAprop, PowerDecay

pytestmark = pytest.mark.usefixtures("float64")

GRADIENTS = np.array([[0.5, -1.0], [0.1, 0.2], [-2.0, 0.5], [1.0, 1.0]])
LEARNING_RATES = {
    "number": lambda gamma: gamma,
    "integer": lambda gamma: round(gamma),
    "NumPy": np.float64,
    "tensor": lambda gamma: keras.ops.convert_to_tensor(gamma, "float64"),
    "variable": lambda gamma: keras.Variable(gamma, dtype="float64"),
}


@pytest.mark.parametrize("kind", LEARNING_RATES)
@pytest.mark.parametrize("norm", [None, "rmsprop", "adagrad"])
def test_direct_calls_follow_the_phase_form(tensor, kind, norm):
    options = {"alpha": 0.5, "beta": 0.2, "weight_decay": 0.1, "norm": norm, "initial_speed": 0.7}
    optimizer, form = INDIAN(learning_rate=0.3, **options), PhaseForm([1.0, 2.0], **options)
    variable = keras.Variable(form.theta, dtype="float64")
    optimizer.build([variable])
    for k, gradient in enumerate(GRADIENTS):
        gamma = 1.0 if kind == "integer" else 0.1 / (k + 1)
        optimizer.update_step(tensor(gradient), variable, LEARNING_RATES[kind](gamma))
        form.step(gradient, gamma)
        np.testing.assert_allclose(variable.numpy(), form.theta, rtol=1e-11)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(optimizer.phase(variable)), form.phase, rtol=1e-11)
    assert int(optimizer.iterations.numpy()) == 0


def test_the_learning_rate_of_the_optimizer_may_be_handed_on(tensor):
    variables = [keras.Variable([1.0, 2.0], dtype="float64") for _ in range(2)]
    optimizers = [INDIAN(learning_rate=0.1) for _ in variables]
    for optimizer, variable in zip(optimizers, variables, strict=True):
        optimizer.build([variable])
    for gradient in GRADIENTS:
        optimizers[0].update_step(tensor(gradient), variables[0], optimizers[0].learning_rate)
        optimizers[1].apply([tensor(gradient)])
    np.testing.assert_allclose(variables[0].numpy(), variables[1].numpy(), rtol=1e-13)


def test_a_direct_call_counts_for_its_variable_alone_and_apply_goes_on_from_there(apply, tensor):
    options = {"beta": 0.3, "norm": "rmsprop", "initial_speed": 1.0}
    optimizer = INDIAN(learning_rate=0.1, **options)
    forms = [PhaseForm([1.0, 2.0], **options), PhaseForm([3.0, 4.0], **options)]
    variables = [keras.Variable(form.theta, dtype="float64") for form in forms]
    optimizer.build(variables)
    optimizer.update_step(tensor(GRADIENTS[0]), variables[1], 0.1)
    forms[1].step(GRADIENTS[0], 0.1)
    np.testing.assert_array_equal(variables[0].numpy(), [1.0, 2.0])
    for gradient in GRADIENTS[1:]:
        apply(optimizer, [gradient, gradient], variables)
        for variable, form in zip(variables, forms, strict=True):
            form.step(gradient, 0.1)
            np.testing.assert_allclose(variable.numpy(), form.theta, rtol=1e-12)


def test_a_direct_call_refuses_a_gradient_of_another_shape_and_changes_nothing(tensor):
    optimizer, variable = INNAprop(), keras.Variable([1.0, 2.0], name="weights")
    optimizer.build([variable])
    before = [v.numpy().copy() for v in [variable, *optimizer.variables]]
    message = "the gradient of weights must be of shape (2,), got an array of shape (1,)"
    with pytest.raises(ValueError, match=re.escape(message)):
        optimizer.update_step(tensor([1.0]), variable, 0.1)
    for value, old in zip([variable, *optimizer.variables], before, strict=True):
        np.testing.assert_array_equal(value.numpy(), old)


class Halved(INDIAN):
    """Half the learning rate for each variable, in the way in which Keras' own optimizers can be extended."""

    def update_step(self, gradient, variable, learning_rate):
        super().update_step(gradient, variable, keras.ops.cast(learning_rate, "float64") / 2)


@pytest.mark.parametrize(
    ("learning_rate", "step_size"),
    [
        pytest.param(lambda: 0.25, lambda k: 0.125, id="number"),
        pytest.param(lambda: PowerDecay(0.25), lambda k: 0.125 * (k + 1) ** -0.5, id="schedule"),
        pytest.param(lambda: lambda: 0.25, lambda k: 0.125, id="function"),
    ],
)
@pytest.mark.parametrize("norm", [None, "rmsprop"])
def test_a_subclass_may_change_the_learning_rate_that_apply_hands_on(
    assert_follows_reference, learning_rate, step_size, norm
):
    optimizer = Halved(learning_rate(), alpha=0.5, beta=0.2, norm=norm)
    assert_follows_reference(optimizer, step_size=step_size, steps=6, rtol=1e-11, alpha=0.5, beta=0.2, norm=norm)


class Interrupted(INDIAN):
    """An error at the second variable of a step."""

    def update_step(self, gradient, variable, learning_rate):
        if variable.shape == (1,):
            raise RuntimeError("interrupted")
        super().update_step(gradient, variable, learning_rate)


def test_after_an_error_in_apply_direct_calls_count_and_use_their_own_learning_rate(apply, tensor):
    optimizer = Interrupted(learning_rate=0.1, beta=0.3, initial_speed=None)
    variables = [keras.Variable([1.0, 2.0], dtype="float64"), keras.Variable([1.0], dtype="float64")]
    with pytest.raises(RuntimeError, match="interrupted"):
        apply(optimizer, [GRADIENTS[0], [1.0]], variables)
    form = PhaseForm([1.0, 2.0], beta=0.3, initial_speed=None)
    # The error has undone the step of the first variable.
    for gradient in GRADIENTS[1:]:
        optimizer.update_step(tensor(gradient), variables[0], 0.2)
        form.step(gradient, 0.2)
    np.testing.assert_allclose(variables[0].numpy(), form.theta, rtol=1e-12)
    (steps,) = [v.numpy().tolist() for v in optimizer.variables if v.path.endswith("/steps")]
    assert steps == [len(GRADIENTS) - 1, 0]
