"""Saving a state and resuming from it: the same trajectory to the last bit."""

import pickle

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from indian_jax import INDIANState, indian, innaprop, power_decay

TRANSFORMATIONS = [
    pytest.param(lambda: indian(power_decay(0.1), 0.5, 0.1), id="schedule"),
    pytest.param(lambda: indian(0.1, 0.5, 0.1, weight_decay=0.1, velocity_dtype=jnp.bfloat16), id="bfloat16 velocity"),
    pytest.param(
        lambda: optax.chain(optax.clip_by_global_norm(1.0), optax.inject_hyperparams(indian)(power_decay(0.1))),
        id="chain, injected",
    ),
    pytest.param(innaprop, id="INNAprop"),
    pytest.param(lambda: optax.masked(indian(0.1), {"w": True, "b": False}), id="masked"),
]


def through_pickle(tree, directory):
    return pickle.loads(pickle.dumps(jax.device_get(tree)))


def through_numpy(tree, directory):
    """Save the leaves alone; bfloat16, which NumPy files do not know, as bytes."""
    leaves, structure = jax.tree.flatten(tree)
    np.savez(directory / "leaves.npz", *[np.asarray(leaf).reshape(-1).view(np.uint8) for leaf in leaves])
    with np.load(directory / "leaves.npz") as saved:
        restored = [saved[name].view(leaf.dtype).reshape(leaf.shape) for name, leaf in zip(saved, leaves, strict=True)]
    return structure.unflatten(jnp.asarray(leaf) for leaf in restored)


@pytest.mark.parametrize(
    ("make", "round_trip", "saved_at"),
    [
        pytest.param(*each.values, round_trip, (0, 1, 7)[(k + shift) % 3], id=f"{each.id}-{round_trip.__name__}")
        for k, each in enumerate(TRANSFORMATIONS)
        for shift, round_trip in enumerate((through_pickle, through_numpy))
    ],
)
def test_resumed_run_is_the_uninterrupted_one(make, round_trip, saved_at, tmp_path, assert_trees_equal):
    tx = make()

    @jax.jit
    def step(params, state):
        gradients = jax.tree.map(lambda p: jnp.sin(3 * p), params)
        updates, state = tx.update(gradients, state, params)
        return optax.apply_updates(params, updates), state

    params = {"w": jnp.array([[1.0, -2.0], [0.5, 3.0]]), "b": jnp.array(0.5, jnp.float32)}
    state = tx.init(params)
    for _ in range(saved_at):
        params, state = step(params, state)
    resumed_params, resumed_state = round_trip((params, state), tmp_path)
    assert_trees_equal((resumed_params, resumed_state), (params, state))
    # The transformation that resumes is a new one.
    tx = make()
    for _ in range(10):
        params, state = step(params, state)
        resumed_params, resumed_state = step(resumed_params, resumed_state)
    assert_trees_equal((resumed_params, resumed_state), (params, state))


def test_pickled_state_is_a_state(assert_trees_equal):
    state = indian().init({"w": jnp.ones(2)})
    restored = pickle.loads(pickle.dumps(state))
    assert isinstance(restored, INDIANState)
    assert_trees_equal(restored, state)
