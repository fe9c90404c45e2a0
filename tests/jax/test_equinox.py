"""Equinox: filtered training takes the steps of a plain loop, leaves what is filtered out alone, and resumes."""

import equinox as eqx
import jax
import numpy as np
import pytest

from indian_jax import phase
from tests.jax.regression import ALPHA, BETA, INPUTS, mean_squared_error, phase_of, transformation

pytestmark = pytest.mark.slow


def loss(network, *rest):
    return mean_squared_error(jax.vmap(eqx.combine(network, *rest))(INPUTS))


@pytest.fixture
def network():
    # Its activation functions are leaves of the tree that are no arrays.
    return eqx.nn.MLP(8, 1, width_size=8, depth=1, key=jax.random.key(0))


@pytest.fixture
def train():
    """Train some steps: train(network, state, steps), where the network has None for what is not trained."""
    tx = transformation()

    @eqx.filter_jit
    def step(params, state, rest):
        gradients = eqx.filter_grad(loss)(params, rest)
        updates, state = tx.update(gradients, state, params)
        return eqx.apply_updates(params, updates), state

    def train(params, state, rest, steps):
        for _ in range(steps):
            params, state = step(params, state, rest)
        return params, state

    return train


def test_filtered_training_takes_the_steps_of_a_plain_loop(network, train, run, last, assert_trees_close):
    params, rest = eqx.partition(network, eqx.is_inexact_array)
    leaves, structure = jax.tree.flatten(params)

    def gradient(leaves):
        return jax.grad(lambda leaves: loss(structure.unflatten(leaves), rest))(leaves)

    expected = last(run(transformation(), gradient, leaves, 10).params)
    trained, state = train(params, transformation().init(params), rest, 10)
    assert_trees_close(jax.tree.leaves(trained), expected)
    assert jax.tree.structure(state[1].velocity) == structure


def test_whole_network_can_be_updated_from_filtered_gradients(network, assert_trees_equal):
    tx = transformation()
    params = eqx.filter(network, eqx.is_inexact_array)
    gradients = eqx.filter_grad(loss)(network)
    updates, _ = eqx.filter_jit(tx.update)(gradients, tx.init(params), params)
    moved = eqx.apply_updates(network, updates)
    assert moved.activation is network.activation
    expected = jax.tree.map(lambda p, u: p + u, params, updates)
    assert_trees_equal(eqx.filter(moved, eqx.is_inexact_array), expected)


def test_frozen_layer_has_no_velocity_and_does_not_move(network, train):
    spec = jax.tree.map(lambda _: False, network)
    spec = eqx.tree_at(lambda n: (n.layers[-1].weight, n.layers[-1].bias), spec, replace=(True, True))
    params, rest = eqx.partition(network, spec)
    trained, state = train(params, transformation().init(params), rest, 3)
    assert state[1].velocity.layers[0].weight is None
    assert trained.layers[0].weight is None
    assert np.all(trained.layers[-1].weight != network.layers[-1].weight)


def test_ensemble_is_trained_under_filter_vmap(assert_trees_close):
    # A network for each key, each with a state of its own.
    keys = jax.random.split(jax.random.key(0), 3)
    tx = transformation()

    @eqx.filter_jit
    @eqx.filter_vmap
    def trained(key):
        network = eqx.nn.MLP(8, 1, width_size=4, depth=1, key=key)
        params, rest = eqx.partition(network, eqx.is_inexact_array)
        state = tx.init(params)
        for _ in range(3):
            updates, state = tx.update(jax.grad(loss)(params, rest), state, params)
            params = eqx.apply_updates(params, updates)
        return params, state

    together = trained(keys)
    for index in range(3):
        alone = jax.tree.map(lambda array: array[0], trained(keys[index : index + 1]))
        assert_trees_close(jax.tree.map(lambda array, index=index: array[index], together), alone)


def test_run_resumes_from_serialised_leaves(network, train, tmp_path, assert_trees_equal):
    params, rest = eqx.partition(network, eqx.is_inexact_array)
    begun = train(params, transformation().init(params), rest, 3)
    eqx.tree_serialise_leaves(tmp_path / "checkpoint.eqx", begun)
    like = eqx.filter_eval_shape(lambda: (params, transformation().init(params)))
    restored = eqx.tree_deserialise_leaves(tmp_path / "checkpoint.eqx", like)
    assert_trees_equal(restored, begun)
    assert_trees_equal(train(*restored, rest, 3), train(*begun, rest, 3))


def test_phase_has_the_structure_of_the_filtered_network(network, train, assert_trees_close):
    params, rest = eqx.partition(network, eqx.is_inexact_array)
    params, state = train(params, transformation().init(params), rest, 2)
    assert_trees_close(phase(params, state, alpha=ALPHA, beta=BETA), phase_of(params, state[1].velocity))
