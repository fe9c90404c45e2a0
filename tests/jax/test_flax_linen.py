"""Flax Linen: `TrainState` trains with the transformation as a plain loop does, and is saved and restored."""

import jax
import numpy as np
import pytest
from flax import linen as nn
from flax import serialization
from flax.training.train_state import TrainState

from indian_jax import INDIANState, phase
from tests.jax.regression import ALPHA, BETA, INPUTS, mean_squared_error, phase_of, transformation

pytestmark = pytest.mark.slow


class Network(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(1)(nn.relu(nn.Dense(8)(x)))


NETWORK = Network()


def gradient(params):
    return jax.grad(lambda params: mean_squared_error(NETWORK.apply({"params": params}, INPUTS)))(params)


@jax.jit
def train_step(state):
    return state.apply_gradients(grads=gradient(state.params))


@pytest.fixture
def state():
    params = NETWORK.init(jax.random.key(0), INPUTS)["params"]
    return TrainState.create(apply_fn=NETWORK.apply, params=params, tx=transformation())


def test_train_state_takes_the_steps_of_a_plain_loop(state, run, assert_trees_close):
    expected = run(transformation(), gradient, state.params, 10)
    for k in range(10):
        state = train_step(state)
        assert_trees_close(state.params, jax.tree.map(lambda array, k=k: array[k], expected.params))
    assert state.step == state.opt_state[1].count == 10


def test_phase_is_that_of_the_train_state(state, assert_trees_close):
    state = train_step(train_step(state))
    psi = phase(state.params, state.opt_state, alpha=ALPHA, beta=BETA)
    assert_trees_close(psi, phase_of(state.params, state.opt_state[1].velocity))


def test_train_state_goes_through_bytes_and_resumes(state, assert_trees_equal):
    for _ in range(3):
        state = train_step(state)
    empty = TrainState.create(
        apply_fn=NETWORK.apply,
        params=jax.tree.map(np.zeros_like, state.params),
        tx=transformation(),
    )
    restored = serialization.from_bytes(empty, serialization.to_bytes(state))
    assert isinstance(restored.opt_state[1], INDIANState)
    assert_trees_equal((restored.params, restored.opt_state), (state.params, state.opt_state))
    for _ in range(3):
        state, restored = train_step(state), train_step(restored)
    assert_trees_equal((restored.params, restored.opt_state), (state.params, state.opt_state))


def test_saved_state_names_its_parts(state):
    saved = serialization.to_state_dict(state)["opt_state"]["1"]
    assert set(saved) == {"count", "velocity", "accumulator"}
    assert saved["accumulator"] is None
    assert set(saved["velocity"]) == set(state.params)
