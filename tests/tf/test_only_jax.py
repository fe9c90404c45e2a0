"""What only JAX has: steps without state, under jit."""

from functools import partial

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from indian_core.reference import PhaseForm
from indian_tf import INDIAN, PowerDecay

pytestmark = pytest.mark.usefixtures("float64")


@pytest.mark.parametrize("transform", [jax.jit, lambda f: f], ids=["jit", "plain"])
@pytest.mark.parametrize("accumulated", [None, 2])
@pytest.mark.parametrize("norm", [None, "rmsprop", "adagrad"])
def test_stateless_steps_follow_the_phase_form(transform, accumulated, norm):
    options = {"beta": 0.3, "weight_decay": 0.1, "norm": norm}
    optimizer = INDIAN(learning_rate=0.1, gradient_accumulation_steps=accumulated, **options)
    variable, reference = keras.Variable([1.0, 2.0], dtype="float64"), PhaseForm([1.0, 2.0], **options)
    optimizer.build([variable])
    values, state = [variable.value], [v.value for v in optimizer.variables]
    step = transform(optimizer.stateless_apply)
    for k in range(6):
        values, state = step(state, [jnp.array([0.5, -1.0])], values)
        if accumulated is None or k % accumulated == 1:
            reference.step([0.5, -1.0], 0.1)
        np.testing.assert_allclose(values[0], reference.theta, rtol=1e-12)
    np.testing.assert_array_equal(variable.numpy(), [1.0, 2.0])


@pytest.mark.parametrize("norm", [None, "rmsprop"])
def test_a_direct_update_step_without_state_follows_the_phase_form(norm):
    optimizer, form = INDIAN(beta=0.3, norm=norm), PhaseForm([1.0, 2.0], beta=0.3, norm=norm)
    variable = keras.Variable([1.0, 2.0], dtype="float64")
    optimizer.build([variable])
    own = [variable, *optimizer.variables]

    @jax.jit
    def step(values, learning_rate):
        with keras.StatelessScope(state_mapping=zip(own, values, strict=True)) as scope:
            optimizer.update_step(jnp.array([0.5, -1.0]), variable, learning_rate)
        return [scope.get_current_value(v) for v in own]

    values = [v.value for v in own]
    for gamma in (0.1, 0.05, 0.2):
        values = step(values, gamma)
        form.step([0.5, -1.0], gamma)
        np.testing.assert_allclose(values[0], form.theta, rtol=1e-12)
    np.testing.assert_array_equal(variable.numpy(), [1.0, 2.0])


def test_many_steps_in_one_scan():
    optimizer = INDIAN(learning_rate=PowerDecay(0.2), beta=0.3)
    variable, reference = keras.Variable([1.0, 2.0], dtype="float64"), PhaseForm([1.0, 2.0], beta=0.3)
    optimizer.build([variable])

    def body(carry, _):
        values, state = carry
        values, state = optimizer.stateless_apply(state, [values[0]], values)
        return (values, state), values[0]

    _, thetas = jax.lax.scan(body, ([variable.value], [v.value for v in optimizer.variables]), length=20)
    for k in range(20):
        reference.step(reference.theta, 0.2 * (k + 1) ** -0.5)
        np.testing.assert_allclose(thetas[k], reference.theta, rtol=1e-12)


def test_a_learning_rate_from_jax_is_accepted():
    assert INDIAN(learning_rate=jnp.array(0.5)).get_config()["learning_rate"] == 0.5


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("norm", [None, "rmsprop", "adagrad"])
def test_a_compiled_step_needs_no_copy_of_the_parameters(weight_decay, norm):
    """All arrays of a variable are updated in place, whatever the learning rate will be."""
    optimizer = INDIAN(weight_decay=weight_decay, norm=norm)
    variables = [keras.Variable(np.ones((100, 100))) for _ in range(3)]
    optimizer.build(variables)
    values, state = [v.value for v in variables], [v.value for v in optimizer.variables]

    # JAX pairs what it is given with what is returned in their order.
    @partial(jax.jit, donate_argnums=(0, 1))
    def step(values, state, gradients):
        return optimizer.stateless_apply(state, gradients, values)

    memory = step.lower(values, state, values).compile().memory_analysis()
    assert memory.temp_size_in_bytes < values[0].nbytes / 10


@pytest.mark.parametrize("norm", [None, "rmsprop"])
def test_an_error_at_a_number_that_is_none_changes_nothing(norm):
    """It comes up in the update of the second variable, after that of the first one, and in the first step, too."""
    optimizer = INDIAN(norm=norm, beta=0.3, initial_speed=1.0)
    variables = [keras.Variable([1.0, 2.0]), keras.Variable([3.0])]
    optimizer.build(variables)
    for _ in range(2):
        before = [np.asarray(v.value).copy() for v in variables + optimizer.variables]
        jax.config.update("jax_debug_nans", True)
        try:
            with pytest.raises(FloatingPointError):
                optimizer.apply([jnp.ones(2), jnp.asarray(np.array([np.nan]))], variables)
        finally:
            jax.config.update("jax_debug_nans", False)
        for variable, old in zip(variables + optimizer.variables, before, strict=True):
            np.testing.assert_array_equal(np.asarray(variable.value), old)
        optimizer.apply([jnp.ones(2), jnp.ones(1)], variables)
    assert int(optimizer.iterations.value) == 2
