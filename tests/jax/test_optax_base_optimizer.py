"""INDIAN as the optimizer that Optax' wrappers wrap: each finds a minimum, compiled once, with any extra argument."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from optax import contrib

from experiments.lib.jax_releases import optax_tree
from experiments.lib.jax_releases import partition as partition_by_label
from indian_jax import indian, power_decay
from tests.releases import is_older, needs_name

MINIMUM = np.array([1.0, -1.0, 1.0])

WRAPPERS = {
    "nothing": lambda: indian(0.05, 0.5, 0.1),
    "schedule": lambda: indian(power_decay(0.05, 0.125), 0.5, 0.1),
    "schedule_free": lambda: contrib.schedule_free(indian(0.05, 1.0, 0.1), learning_rate=0.05),
    "mechanize": lambda: contrib.mechanize(indian(0.05, 0.5, 0.1), weight_decay=0.0),
    "sam": lambda: contrib.sam(
        indian(0.05, 0.5, 0.1), optax.chain(contrib.normalize(), optax.sgd(0.01)), sync_period=2
    ),
    "apply_if_finite": lambda: optax.apply_if_finite(indian(0.05, 0.5, 0.1), 3),
    "MultiSteps": lambda: optax.MultiSteps(indian(0.05, 0.5, 0.1), every_k_schedule=2),
    "masked": lambda: optax.masked(indian(0.05, 0.5, 0.1), True),
    "partition": lambda: partition_by_label({"all": indian(0.05, 0.5, 0.1)}, "all"),
    "clipping": lambda: optax.chain(optax.clip_by_global_norm(1.0), indian(0.05, 0.5, 0.1)),
    "noise": lambda: optax.chain(optax.add_noise(1e-3, 0.55, 0), indian(power_decay(0.05, 0.125), 0.5, 0.1)),
    "weight decay before": lambda: optax.chain(optax.add_decayed_weights(1e-4), indian(0.05, 0.5, 0.1)),
    "reduce_on_plateau": lambda: optax.chain(indian(0.05, 0.5, 0.1), contrib.reduce_on_plateau(patience=1000)),
}


@pytest.mark.parametrize("make", WRAPPERS.values(), ids=WRAPPERS)
def test_wrapped_optimizer_finds_the_minimum(make):
    tx = make()
    # Of the wrappers, SAM alone passes no arguments on, and Mechanic before Optax 0.2.5.
    takes_arguments = make is not WRAPPERS["sam"]
    if is_older(optax, "0.2.7") and make is WRAPPERS["reduce_on_plateau"]:
        pytest.skip("up to Optax 0.2.6 its state changes from a weak to a strong type, with any optimizer")
    if is_older(optax, "0.2.5"):
        takes_arguments = takes_arguments and make is not WRAPPERS["mechanize"]

    def loss(params):
        return jnp.sum((params - MINIMUM) ** 2)

    def step(carry, _):
        params, state = carry
        value, gradients = jax.value_and_grad(loss)(params)
        extra = {"value": value, "an_argument_that_nothing_knows": 1} if takes_arguments else {}
        updates, state = tx.update(gradients, state, params, **extra)
        return (optax.apply_updates(params, updates), state), None

    params = jnp.array([-1.0, 10.0, 1.0])
    run = jax.jit(lambda carry: jax.lax.scan(step, carry, length=2500)[0])
    carry = run((params, optax_tree.map_params(tx, lambda leaf: leaf, tx.init(params))))
    params, state = run(carry)
    # The state that comes out is of the kind that went in.
    assert run._cache_size() == 1
    if make is WRAPPERS["schedule_free"]:
        params = contrib.schedule_free_eval_params(state, params)
    np.testing.assert_allclose(params, MINIMUM, rtol=3e-2, atol=3e-2)


@needs_name(optax, "freeze")
def test_frozen_parameters_stay_where_they_are():
    tx = optax.chain(indian(0.1), optax.freeze({"w": False, "b": True}))
    params = {"w": jnp.ones(2), "b": jnp.ones(2)}
    updates, _ = jax.jit(tx.update)(params, tx.init(params), params)
    expected, _ = indian(0.1).update(params, indian().init(params))
    np.testing.assert_allclose(updates["w"], expected["w"], rtol=1e-6)
    assert not jnp.any(updates["b"])


def test_tree_get_and_set_find_a_learning_rate_that_is_given():
    tx = optax.inject_hyperparams(indian)(learning_rate=0.5)
    params = jnp.ones(2)
    state = tx.init(params)
    assert optax_tree.get(state, "learning_rate") == np.float32(0.5)
    state = optax_tree.set(state, learning_rate=jnp.float32(0.2))
    updates, _ = jax.jit(tx.update)(params, state, params)
    expected, _ = indian(0.2).update(params, indian().init(params))
    np.testing.assert_allclose(updates, expected, rtol=1e-6)


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16, jnp.float32, jnp.complex64])
def test_state_is_stable_across_the_branches_of_a_conditional(dtype):
    """A conditional refuses branches whose results differ in shape, dtype or weak type."""
    tx = indian(power_decay(0.05), 0.5, 0.1, weight_decay=0.1)
    params = jnp.ones(3, dtype)

    @jax.jit
    def step(skip, params, state):
        return jax.lax.cond(skip, lambda: (params, state), lambda: tx.update(params, state, params))

    state = tx.init(params)
    for skip in (True, False):
        updates, state = step(skip, params, state)
        assert updates.dtype == state.velocity.dtype == dtype
    assert state.count == 1
