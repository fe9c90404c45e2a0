"""Flax NNX: `nnx.Optimizer` trains with the transformation as a plain loop does, and is saved and restored."""

import jax
import numpy as np
import pytest
from flax import nnx

from indian_jax import INDIANState, phase
from tests.jax.regression import ALPHA, BETA, INPUTS, mean_squared_error, phase_of, transformation

pytestmark = pytest.mark.slow


class Network(nnx.Module):
    def __init__(self, seed):
        rngs = nnx.Rngs(seed)
        self.hidden = nnx.Linear(8, 8, rngs=rngs)
        self.normalize = nnx.BatchNorm(8, rngs=rngs)
        self.output = nnx.Linear(8, 1, rngs=rngs)

    def __call__(self, x):
        return self.output(nnx.relu(self.normalize(self.hidden(x))))


def make(seed=0, wrt=nnx.Param):
    network = Network(seed)
    return network, nnx.Optimizer(network, transformation(), wrt=wrt)


@nnx.jit
def train_step(network, optimizer):
    trained = nnx.DiffState(0, optimizer.wrt)
    gradients = nnx.grad(lambda network: mean_squared_error(network(INPUTS)), argnums=trained)(network)
    optimizer.update(network, gradients)


def test_optimizer_takes_the_steps_of_a_plain_loop(run, assert_trees_close):
    network, optimizer = make()
    graph, params, rest = nnx.split(network, nnx.Param, ...)

    def gradient(params):
        return jax.grad(lambda params: mean_squared_error(nnx.merge(graph, params, rest, copy=True)(INPUTS)))(params)

    expected = run(transformation(), gradient, params, 10)
    for k in range(10):
        train_step(network, optimizer)
        assert_trees_close(nnx.state(network, nnx.Param), jax.tree.map(lambda array, k=k: array[k], expected.params))
    assert optimizer.step[...] == optimizer.opt_state[1].count[...] == 10


def test_statistics_of_a_layer_are_no_parameters():
    network, optimizer = make()
    velocity = optimizer.opt_state[1].velocity
    assert isinstance(optimizer.opt_state[1], INDIANState)
    assert nnx.to_flat_state(velocity).paths == nnx.to_flat_state(nnx.state(network, nnx.Param)).paths


def test_only_the_chosen_parameters_are_trained():
    network, optimizer = make(wrt=nnx.All(nnx.Param, nnx.PathContains("output")))
    before = jax.tree.map(np.asarray, nnx.as_pure(nnx.state(network, nnx.Param)))
    train_step(network, optimizer)
    after = nnx.as_pure(nnx.state(network, nnx.Param))
    assert set(optimizer.opt_state[1].velocity) == {"output"}
    np.testing.assert_array_equal(after["hidden"]["kernel"], before["hidden"]["kernel"])
    assert np.all(after["output"]["kernel"] != before["output"]["kernel"])


def test_phase_is_that_of_the_pure_states(assert_trees_close):
    network, optimizer = make()
    train_step(network, optimizer)
    params, state = nnx.as_pure(nnx.state(network, nnx.Param)), nnx.as_pure(optimizer.opt_state)
    psi = phase(params, state, alpha=ALPHA, beta=BETA)
    assert_trees_close(psi, phase_of(params, state[1].velocity))


@pytest.mark.parametrize("saved_at", [0, 3])
def test_network_and_optimizer_resume_from_their_states(saved_at, assert_trees_equal):
    network, optimizer = make()
    for _ in range(saved_at):
        train_step(network, optimizer)
    saved = jax.tree.map(np.asarray, nnx.state((network, optimizer)))
    resumed = make(seed=1)
    nnx.update(resumed, saved)
    for _ in range(3):
        train_step(network, optimizer)
        train_step(*resumed)
    assert_trees_equal(nnx.state(resumed), nnx.state((network, optimizer)))
