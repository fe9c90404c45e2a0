"""Parameters on 8 devices: the state lies where they lie, and the trajectory is that of one device."""

import re
from functools import partial

import jax
import jax.numpy as jnp
import optax
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from experiments.lib.jax_releases import optax_tree
from indian_jax import INDIANState, indian, innaprop, power_decay
from tests.jax.regression import INPUTS, TARGETS, transformation

STEPS = 5

SHARDED = {"hidden": P(None, "model"), "bias": P("model"), "output": P("model", None)}
FULLY_SHARDED = {"hidden": P("data", "model"), "bias": P(("data", "model")), "output": P(("data", "model"), None)}
LAYOUTS = [
    pytest.param({"hidden": P(), "bias": P(), "output": P()}, id="replicated"),
    pytest.param(SHARDED, id="sharded"),
    pytest.param(FULLY_SHARDED, id="fully sharded"),
]


def loss(params, inputs, targets):
    hidden = jax.nn.relu(inputs @ params["hidden"] + params["bias"])
    return jnp.mean((hidden @ params["output"] - targets) ** 2)


def on(mesh, specs):
    return jax.tree.map(lambda spec: NamedSharding(mesh, spec), specs, is_leaf=lambda node: isinstance(node, P))


def state_shardings(tx, params, shardings, other):
    """The shardings of the parameters for what is like them, and another one for the rest."""
    return optax_tree.map_params(
        tx,
        lambda _, sharding: sharding,
        jax.eval_shape(tx.init, params),
        shardings,
        transform_non_params=lambda _: other,
    )


@pytest.fixture
def single_device_run(initial, run, last):
    """θ and the state after the steps, on one device."""
    ended = run(transformation(), lambda params: jax.grad(loss)(params, INPUTS, TARGETS), initial, STEPS)
    return last((ended.params, ended.states))


@pytest.mark.parametrize("specs", LAYOUTS)
def test_state_made_outside_jit_lies_where_the_parameters_lie(mesh, initial, specs):
    params = jax.device_put(initial, on(mesh, specs))
    velocity = indian().init(params).velocity
    assert jax.tree.map(lambda array: array.sharding, velocity) == on(mesh, specs)


@pytest.mark.parametrize("transform", [jax.jit, lambda function: function], ids=["jit", "plain"])
def test_state_has_the_explicit_sharding_of_the_parameters(explicit_mesh, initial, transform):
    tx = indian(power_decay(0.1), weight_decay=0.1, velocity_dtype=jnp.bfloat16)
    with jax.set_mesh(explicit_mesh):
        params = jax.device_put(initial, on(explicit_mesh, SHARDED))
        state = transform(tx.init)(params)
        updates, next_state = transform(tx.update)(params, state, params)

        def specs(tree):
            return jax.tree.map(lambda array: jax.typeof(array).sharding.spec, tree)

        assert specs(params) == specs(updates) == specs(state.velocity) == specs(next_state.velocity)
        assert specs(params) == SHARDED


@pytest.mark.parametrize("specs", LAYOUTS)
@pytest.mark.parametrize("batch", [P(), P("data")], ids=["whole batch", "batch in parts"])
def test_trajectory_is_that_of_one_device(mesh, initial, specs, batch, single_device_run, assert_trees_close):
    tx = transformation()
    shardings = on(mesh, specs)
    of_state = state_shardings(tx, initial, shardings, NamedSharding(mesh, P()))
    params = jax.device_put(initial, shardings)
    state = jax.jit(tx.init, out_shardings=of_state)(params)
    inputs, targets = jax.device_put((INPUTS, TARGETS), NamedSharding(mesh, batch))

    @partial(jax.jit, donate_argnums=(0, 1), out_shardings=(shardings, of_state))
    def train_step(params, state):
        updates, state = tx.update(jax.grad(loss)(params, inputs, targets), state, params)
        return optax.apply_updates(params, updates), state

    for _ in range(STEPS):
        params, state = train_step(params, state)
        assert jax.tree.map(lambda array: array.sharding, state[1].velocity) == shardings
    assert train_step._cache_size() == 1
    assert_trees_close((params, state), single_device_run)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: indian(optax.constant_schedule(0.1), weight_decay=0.1), id="INDIAN"),
        pytest.param(innaprop, id="INNAprop"),
    ],
)
def test_step_of_sharded_parameters_needs_no_communication(mesh, initial, make):
    tx = make()
    shardings = on(mesh, FULLY_SHARDED)
    params = jax.device_put(initial, shardings)
    of_state = state_shardings(tx, initial, shardings, NamedSharding(mesh, P()))

    @partial(jax.jit, out_shardings=(shardings, of_state))
    def step(params, state, gradients):
        updates, state = tx.update(gradients, state, params)
        return optax.apply_updates(params, updates), state

    program = step.lower(params, jax.device_put(tx.init(params), of_state), params).compile().as_text()
    assert "f32[4,4]" in program  # a device's part of the matrix
    assert not re.findall(r"all-gather|all-reduce|reduce-scatter|all-to-all|collective", program)


def test_the_norm_s_accumulator_lies_where_the_parameters_lie(mesh, initial, run, last, assert_trees_close):
    tx, shardings = innaprop(0.01), on(mesh, FULLY_SHARDED)
    params = jax.device_put(initial, shardings)
    state = tx.init(params)
    assert jax.tree.map(lambda array: array.sharding, state.accumulator) == shardings
    of_state = state_shardings(tx, initial, shardings, NamedSharding(mesh, P()))
    assert of_state.velocity == of_state.accumulator == shardings

    @partial(jax.jit, donate_argnums=(0, 1), out_shardings=(shardings, of_state))
    def train_step(params, state):
        updates, state = tx.update(jax.grad(loss)(params, INPUTS, TARGETS), state, params)
        return optax.apply_updates(params, updates), state

    for _ in range(STEPS):
        params, state = train_step(params, state)
    expected = run(tx, lambda params: jax.grad(loss)(params, INPUTS, TARGETS), initial, STEPS)
    assert_trees_close((params, state), last((expected.params, expected.states)), atol=1e-4)


def test_data_parallel_training_under_shard_map(mesh, initial, single_device_run, assert_trees_close):
    tx = transformation()

    @jax.jit
    @partial(jax.shard_map, mesh=mesh, in_specs=(P(), P(("data", "model"))), out_specs=P())
    def train(params, batch):
        def step(carry, _):
            params, state = carry
            # The parameters are the same everywhere, so their gradient is summed over the devices.
            gradients = jax.tree.map(lambda g: g / 8, jax.grad(loss)(params, *batch))
            updates, state = tx.update(gradients, state, params)
            return (optax.apply_updates(params, updates), state), None

        return jax.lax.scan(step, (params, tx.init(params)), length=STEPS)[0]

    assert_trees_close(train(initial, (INPUTS, TARGETS)), single_device_run)


def test_parameter_sharded_training_under_shard_map(mesh, initial, run, last, assert_trees_close):
    # Each device holds and updates an eighth of every array; the whole is put together for the gradient alone.
    tx = indian(power_decay(0.2), 0.5, 0.3, weight_decay=0.1)
    everywhere = ("data", "model")
    parts = {"hidden": P(None, everywhere), "bias": P(everywhere), "output": P(everywhere)}
    axes = {"hidden": 1, "bias": 0, "output": 0}

    @jax.jit
    @partial(
        jax.shard_map,
        mesh=mesh,
        in_specs=(parts, P(everywhere)),
        out_specs=(parts, INDIANState(count=P(), velocity=parts)),
    )
    def train(params, batch):
        def gathered_loss(params):
            whole = jax.tree.map(lambda p, axis: jax.lax.all_gather(p, everywhere, axis=axis, tiled=True), params, axes)
            return loss(whole, *batch)

        def step(carry, _):
            params, state = carry
            gradients = jax.tree.map(lambda g: g / 8, jax.grad(gathered_loss)(params))
            updates, state = tx.update(gradients, state, params)
            return (optax.apply_updates(params, updates), state), None

        return jax.lax.scan(step, (params, tx.init(params)), length=STEPS)[0]

    params, state = train(initial, (INPUTS, TARGETS))
    expected = run(tx, lambda params: jax.grad(loss)(params, INPUTS, TARGETS), initial, STEPS)
    assert_trees_close((params, state), last((expected.params, expected.states)))
    assert {part.data.shape for part in state.velocity["hidden"].addressable_shards} == {(8, 2)}


@pytest.mark.parametrize("norm", [None, "rmsprop"])
def test_a_learning_rate_of_its_own_on_each_device_under_shard_map(norm, mesh, initial, assert_trees_close):
    # The parameters and the gradient are the same everywhere at first, the step is not.
    def end(rate):
        tx = indian(rate[0], 5.0, 0.3, norm=norm)
        params, state = initial, tx.init(initial)
        for _ in range(2):
            updates, state = tx.update(jax.grad(loss)(params, INPUTS, TARGETS), state, params)
            params = optax.apply_updates(params, updates)
        return jax.tree.map(lambda p: p[None], (params, state.velocity))

    rates = jnp.linspace(0.01, 0.3, 8)  # alpha * gamma reaches 1.5
    everywhere = ("data", "model")
    spread = jax.jit(jax.shard_map(end, mesh=mesh, in_specs=P(everywhere), out_specs=P(everywhere)))(rates)
    batched = jax.jit(jax.vmap(end))(rates[:, None])
    assert_trees_close(spread, jax.tree.map(lambda array: array[:, 0], batched))
