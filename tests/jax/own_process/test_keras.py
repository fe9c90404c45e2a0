"""Keras on JAX trains with the Keras adapter, not with the Optax transformation, and the two agree."""

import jax
import keras
import numpy as np
import optax
import pytest

from indian_jax import indian, phase, power_decay
from indian_tf import INDIAN, PowerDecay
from tests.jax.regression import INPUTS, TARGETS

EPOCHS, BATCH = 3, 8


@pytest.fixture
def model():
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(8, activation="tanh"), keras.layers.Dense(1)]
    return keras.Sequential([keras.Input((8,)), *layers])


def optax_run(model, tx):
    """The parameters and the state after the steps that `fit` takes, from the model as it is."""
    params = [variable.value for variable in model.trainable_variables]
    state = tx.init(params)

    def loss(params, inputs, targets):
        prediction, _ = model.stateless_call(params, [], inputs)
        return ((prediction - targets) ** 2).mean()

    @jax.jit
    def step(params, state, inputs, targets):
        updates, state = tx.update(jax.grad(loss)(params, inputs, targets), state, params)
        return optax.apply_updates(params, updates), state

    for _ in range(EPOCHS):
        for start in range(0, len(INPUTS), BATCH):
            rows = slice(start, start + BATCH)
            params, state = step(params, state, INPUTS[rows], TARGETS[rows])
    return params, state


def fit(model, optimizer):
    model.compile(optimizer=optimizer, loss="mse")
    model.fit(INPUTS, TARGETS, batch_size=BATCH, epochs=EPOCHS, shuffle=False, verbose=0)


@pytest.mark.parametrize("weight_decay", [None, 0.1])
def test_fit_with_the_keras_adapter_takes_the_steps_of_the_transformation(model, weight_decay):
    assert keras.backend.backend() == "jax"
    settings = {"alpha": 0.5, "beta": 0.3, "weight_decay": weight_decay}
    params, state = optax_run(model, indian(power_decay(0.1), **settings))
    optimizer = INDIAN(PowerDecay(0.1), **settings)
    fit(model, optimizer)
    expected_phase = phase(params, state, alpha=0.5, beta=0.3)
    for variable, expected, psi in zip(model.trainable_variables, params, expected_phase, strict=True):
        np.testing.assert_allclose(variable.value, expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(optimizer.phase(variable), psi, rtol=1e-5, atol=1e-6)


def test_fit_on_eight_devices_takes_the_steps_of_the_transformation(model):
    params, _ = optax_run(model, indian(0.1, 0.5, 0.3))
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=keras.distribution.list_devices()))
    try:
        spread = keras.models.clone_model(model)
        spread.set_weights([variable.numpy() for variable in model.variables])
        fit(spread, INDIAN(0.1, 0.5, 0.3))
    finally:
        keras.distribution.set_distribution(None)
    assert len(spread.trainable_variables[0].value.sharding.device_set) == 8
    for variable, expected in zip(spread.trainable_variables, params, strict=True):
        np.testing.assert_allclose(variable.value, expected, rtol=1e-5, atol=1e-6)


def test_keras_refuses_the_transformation(model):
    with pytest.raises(ValueError, match="Could not interpret optimizer identifier"):
        model.compile(optimizer=indian(0.1), loss="mse")
