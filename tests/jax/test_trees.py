"""Trees of every shape: empty, nested, with None, with masked nodes, with empty and 0-d arrays."""

from collections import namedtuple
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from indian_jax import indian, phase


@jax.tree_util.register_dataclass
@dataclass
class Layer:
    kernel: Any
    bias: Any


Pair = namedtuple("Pair", ["left", "right"])

TREES = [
    pytest.param({}, id="empty dict"),
    pytest.param((), id="empty tuple"),
    pytest.param(None, id="None"),
    pytest.param({"a": None, "b": np.ones(2)}, id="None among arrays"),
    pytest.param({"a": optax.MaskedNode(), "b": np.ones(2)}, id="MaskedNode"),
    pytest.param({"a": (np.ones(2), [np.ones((2, 2))]), "b": {"c": {"d": np.ones(1)}}}, id="nested"),
    pytest.param(Layer(np.ones((2, 3)), (np.ones(3), None)), id="dataclass"),
    pytest.param(Pair(np.ones(2), Pair(np.ones(1), {})), id="namedtuple"),
    pytest.param(np.ones(3), id="array"),
    pytest.param(np.ones(()), id="0-d"),
    pytest.param([np.ones((0, 3)), np.ones(()), np.ones((1, 1, 1))], id="zero-size"),
]


@pytest.mark.parametrize("tree", TREES)
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("jit", [False, True])
def test_every_leaf_takes_its_own_step(tree, weight_decay, jit, assert_trees_close):
    params = jax.tree.map(jnp.asarray, tree)
    tx = indian(0.1, 0.5, 0.1, weight_decay=weight_decay)
    update = jax.jit(tx.update) if jit else tx.update
    state = tx.init(params)
    for count in (1, 2):
        # Weight decay needs params, and None is how a tree without parameters looks.
        updates, state = update(params, state, () if params is None and weight_decay else params)
        assert state.count == count
    # Every number of the trees is 1, and so all of them move alike.
    one = jnp.ones(())
    _, one_state = tx.update(one, tx.init(one), one)
    expected_update, expected_state = tx.update(one, one_state, one)
    assert_trees_close(updates, jax.tree.map(lambda p: jnp.full(p.shape, expected_update), params))
    assert_trees_close(state.velocity, jax.tree.map(lambda p: jnp.full(p.shape, expected_state.velocity), params))
    psi = phase(params, state, alpha=0.5, beta=0.1)
    assert jax.tree.structure(psi) == jax.tree.structure(params)


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_gradient_none_is_no_update_and_leaves_the_velocity(weight_decay, assert_trees_equal):
    params = {"a": jnp.ones(2), "b": jnp.ones(3)}
    tx = indian(0.1, 0.5, 0.1, weight_decay=weight_decay, mask={"a": True, "b": True})
    _, state = tx.update(params, tx.init(params), params)
    updates, next_state = tx.update({"a": None, "b": params["b"]}, state, params)
    expected, _ = tx.update(params, state, params)
    assert updates["a"] is None
    assert_trees_equal(updates["b"], expected["b"])
    assert_trees_equal(next_state.velocity["a"], state.velocity["a"])


def test_params_of_another_structure_do_not_matter_without_weight_decay(assert_trees_equal):
    gradients = {"a": jnp.ones(2)}
    tx = indian(0.1)
    assert_trees_equal(tx.update(gradients, tx.init(gradients), ()), tx.update(gradients, tx.init(gradients)))
