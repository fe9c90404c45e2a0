"""The trust region with parameters on 8 devices: the same steps, counts and decisions, and the state with them."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from indian_jax.ellipsoidal_trust_region import trust_region
from tests.jax.regression import INPUTS, TARGETS

STEPS = 4
SPECS = {"hidden": P("data", "model"), "bias": P(("data", "model")), "output": P(("data", "model"), None)}
REPLICATED = {"hidden": P(), "bias": P(), "output": P()}
EXPLICIT = {"hidden": P(None, "model"), "bias": P("model"), "output": P("model", None)}
"""With a loss whose sharding is clear, which that of a product of matrices over a sharded dimension is not."""


pytestmark = pytest.mark.usefixtures("x64")


@pytest.fixture
def initial(initial):
    """In float64, where sums in another order hardly differ."""
    return jax.tree.map(np.float64, initial)


def loss(params, inputs, targets):
    hidden = jnp.tanh(inputs @ params["hidden"] + params["bias"])
    return jnp.mean((hidden @ params["output"] - targets) ** 2)


def separable(params, inputs, targets):
    return sum(jnp.sum(jnp.cosh(inputs * leaf) - leaf * targets) for leaf in jax.tree.leaves(params))


def train(tx, params, state, inputs, targets, value_fn=loss):
    def step(carry, _):
        params, state = carry
        value, grad = jax.value_and_grad(value_fn)(params, inputs, targets)
        updates, state = tx.update(
            grad, state, params, value=value, grad=grad, value_fn=value_fn, inputs=inputs, targets=targets
        )
        return (optax.apply_updates(params, updates), state), state.report

    return jax.lax.scan(step, (params, state), length=STEPS)


def transformation(subproblem="steihaug"):
    return trust_region(subproblem=subproblem, norm="adagrad", radius=0.5, expand_factor=2.0, max_iterations=6)


@pytest.fixture
def one_device_run(initial):
    def run(subproblem):
        tx = transformation(subproblem)
        return jax.jit(partial(train, tx))(initial, tx.init(initial), INPUTS, TARGETS)

    return run


def assert_same(actual, expected, assert_trees_close):
    assert_trees_close(actual, expected, rtol=1e-7, atol=1e-9)
    for name in ("iterations", "termination", "accepted", "backpropagations"):
        np.testing.assert_array_equal(getattr(actual[1], name), getattr(expected[1], name))


@pytest.mark.parametrize(
    ("specs", "subproblem"),
    [(SPECS, "steihaug"), (REPLICATED, "steihaug"), (SPECS, "lanczos")],
    ids=["sharded", "replicated", "sharded, lanczos"],
)
def test_steps_are_those_of_one_device(mesh, initial, specs, subproblem, one_device_run, assert_trees_close):
    tx = transformation(subproblem)
    shardings = jax.tree.map(lambda spec: NamedSharding(mesh, spec), specs, is_leaf=lambda node: isinstance(node, P))
    params = jax.device_put(initial, shardings)
    state = tx.init(params)
    assert jax.tree.map(lambda array: array.sharding, state.accumulator) == shardings
    batch = jax.device_put((INPUTS, TARGETS), NamedSharding(mesh, P("data")))
    found = jax.jit(partial(train, tx))(params, state, *batch)
    assert_same(found, one_device_run(subproblem), assert_trees_close)
    ended = jax.tree.map(
        lambda array, sharding: array.sharding.is_equivalent_to(sharding, array.ndim), found[0][0], shardings
    )
    assert all(jax.tree.leaves(ended))


def test_explicit_sharding_is_that_of_the_parameters(explicit_mesh, initial, assert_trees_close):
    tx = transformation()
    with jax.set_mesh(explicit_mesh):
        params = jax.device_put(
            initial,
            jax.tree.map(lambda s: NamedSharding(explicit_mesh, s), EXPLICIT, is_leaf=lambda s: isinstance(s, P)),
        )
        found = jax.jit(partial(train, tx, value_fn=separable))(params, tx.init(params), 1.0, 1.0)
        assert jax.tree.map(lambda array: jax.typeof(array).sharding.spec, found[0][0]) == EXPLICIT
    expected = jax.jit(partial(train, tx, value_fn=separable))(initial, tx.init(initial), 1.0, 1.0)
    assert_same(found, expected, assert_trees_close)


def test_data_parallel_training_under_shard_map(mesh, initial, one_device_run, assert_trees_close):
    tx = transformation()
    everywhere = ("data", "model")

    def mean_loss(params, inputs, targets):
        return jax.lax.pmean(loss(params, inputs, targets), everywhere)

    @jax.jit
    @partial(jax.shard_map, mesh=mesh, in_specs=(P(), P(everywhere)), out_specs=P())
    def run(params, batch):
        return train(tx, params, tx.init(params), *batch, value_fn=mean_loss)

    assert_same(run(initial, (INPUTS, TARGETS)), one_device_run("steihaug"), assert_trees_close)
