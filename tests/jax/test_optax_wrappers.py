"""The transformation inside Optax' own transformations and wrappers."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from experiments.lib.jax_releases import optax_tree
from experiments.lib.jax_releases import partition as partition_by_label
from indian_core.reference import PhaseForm
from indian_jax import INDIANState, indian, power_decay


@pytest.fixture
def params():
    return {"w": jnp.array([[1.0, -2.0], [0.5, 3.0]]), "b": jnp.array([0.5, -1.0])}


@pytest.fixture
def steps():
    """Steps on ½‖θ‖² times a factor per step: steps(tx, params, factors, **extra_args)."""

    def steps(tx, params, factors=(1.0, 2.0, -0.5, 0.25), **extra_args):
        state = tx.init(params)
        update = jax.jit(tx.update)
        for factor in factors:
            gradients = jax.tree.map(lambda p, factor=factor: factor * p, params)
            updates, state = update(gradients, state, params, **extra_args)
            params = optax.apply_updates(params, updates)
        return params, state

    return steps


def test_chain_applies_what_comes_before_to_the_gradient(params, assert_trees_close):
    tx = optax.chain(optax.clip_by_global_norm(1.0), indian(0.1, 0.5, 0.1))
    state = tx.init(params)
    inner = indian(0.1, 0.5, 0.1)
    inner_state = inner.init(params)
    for _ in range(3):
        updates, state = tx.update(params, state, params)
        norm = optax_tree.norm(params)
        clipped = jax.tree.map(lambda p, norm=norm: p / norm, params)
        expected, inner_state = inner.update(clipped, inner_state, params)
        assert_trees_close(updates, expected)
        params = optax.apply_updates(params, updates)


def test_chain_applies_what_comes_after_to_the_updates(params, assert_trees_close):
    tx = optax.chain(indian(0.1, 0.5, 0.1), optax.scale(0.5), optax.add_decayed_weights(-0.01))
    updates, _ = tx.update(params, tx.init(params), params)
    inner, _ = indian(0.1, 0.5, 0.1).update(params, indian().init(params), params)
    assert_trees_close(updates, jax.tree.map(lambda u, p: 0.5 * u - 0.01 * p, inner, params))


def test_extra_arguments_are_accepted(params, steps, assert_trees_equal):
    assert isinstance(indian(), optax.GradientTransformationExtraArgs)
    assert_trees_equal(steps(indian(), params, value=jnp.ones(())), steps(indian(), params))


def test_inject_hyperparams_takes_the_same_steps(params, steps, assert_trees_close):
    settings = {"learning_rate": 0.05, "alpha": 2.0, "beta": 0.2, "initial_speed": 0.5, "weight_decay": 0.1}
    injected, state = steps(optax.inject_hyperparams(indian)(**settings), params)
    expected, inner_state = steps(indian(**settings), params)
    assert_trees_close(injected, expected)
    assert_trees_close(state.inner_state, inner_state)
    assert set(state.hyperparams) == {*settings, "norm_decay", "norm_epsilon"}


def test_an_initial_speed_that_is_no_number_stays_out_of_the_injected_state(params):
    for speed in ({}, {"initial_speed": "auto"}, {"initial_speed": None}):
        state = optax.inject_hyperparams(indian)(norm="adagrad", **speed).init(params)
        assert "initial_speed" not in state.hyperparams


def test_inject_hyperparams_takes_a_schedule_for_every_number(params, steps):
    def settings(count):
        return {
            "learning_rate": 0.1 / (count + 1),
            "alpha": 0.5 + count,
            "beta": 0.1 + 0.1 * count,
            "weight_decay": 0.01 * count,
        }

    schedules = {name: lambda count, name=name: settings(count)[name] for name in settings(0)}
    actual, state = steps(optax.inject_hyperparams(indian)(**schedules), params)
    expected, velocity = params, indian().init(params)
    for count, factor in enumerate((1.0, 2.0, -0.5, 0.25)):
        tx = indian(**settings(count))
        updates, velocity = tx.update(jax.tree.map(lambda p, f=factor: f * p, expected), velocity, expected)
        expected = optax.apply_updates(expected, updates)
    np.testing.assert_allclose(actual["w"], expected["w"], rtol=1e-5)
    np.testing.assert_allclose(state.hyperparams["alpha"], 3.5)


@pytest.mark.parametrize("name", ["learning_rate", "alpha", "beta", "weight_decay"])
@pytest.mark.parametrize("jit", [False, True])
def test_injected_hyperparameter_can_change_between_steps(params, name, jit, assert_trees_close):
    settings = {"learning_rate": 0.1, "alpha": 0.5, "beta": 0.1, "weight_decay": 0.2}
    tx = optax.inject_hyperparams(indian)(**settings)
    update = jax.jit(tx.update) if jit else tx.update
    state = tx.init(params)
    _, state = update(params, state, params)
    state.hyperparams[name] = 0.3
    actual, _ = update(params, state, params)
    first = indian(**settings)
    _, inner_state = first.update(params, first.init(params), params)
    expected, _ = indian(**(settings | {name: 0.3})).update(params, inner_state, params)
    assert_trees_close(actual, expected)


@pytest.mark.parametrize("jit", [False, True])
def test_injected_update_without_weight_decay_needs_no_params(params, jit, assert_trees_close):
    tx = optax.inject_hyperparams(indian)(learning_rate=0.1)
    update = jax.jit(tx.update) if jit else tx.update
    updates, _ = update(params, tx.init(params))
    expected, _ = indian(0.1).update(params, indian().init(params))
    assert_trees_close(updates, expected)


def test_injected_schedule_without_weight_decay_needs_no_params(params, assert_trees_close):
    tx = optax.inject_hyperparams(indian)(learning_rate=power_decay(0.1))
    updates, _ = jax.jit(tx.update)(params, tx.init(params))
    expected, _ = indian(0.1).update(params, indian().init(params))
    assert_trees_close(updates, expected)


def test_injected_weight_decay_of_zero_can_be_switched_on(params, assert_trees_close):
    tx = optax.inject_hyperparams(indian)(0.1, weight_decay=0.0)
    state = tx.init(params)
    state.hyperparams["weight_decay"] = 0.5
    updates, _ = jax.jit(tx.update)(params, state, params)
    expected, _ = indian(0.1, weight_decay=0.5).update(params, indian().init(params), params)
    assert_trees_close(updates, expected)


def test_injected_static_arguments(params, steps, assert_trees_close):
    settings = {"weight_decay": 0.5, "mask": lambda params: jax.tree.map(lambda p: p.ndim > 1, params)}
    make = optax.inject_hyperparams(indian, static_args=("mask", "velocity_dtype"))
    actual, state = steps(make(0.1, velocity_dtype=jnp.float16, **settings), params)
    expected, _ = steps(indian(0.1, velocity_dtype=jnp.float16, **settings), params)
    assert_trees_close(actual, expected)
    assert state.inner_state.velocity["w"].dtype == jnp.float16


def test_injected_value_out_of_range_is_refused_where_it_is_concrete(params):
    tx = optax.inject_hyperparams(indian)(0.1)
    state = tx.init(params)
    state.hyperparams["beta"] = jnp.array(-1.0)
    with pytest.raises(ValueError, match=r"beta must be a finite number > 0, got -1\.0"):
        tx.update(params, state, params)


def test_masked(params, steps, assert_trees_equal):
    actual, state = steps(optax.masked(indian(0.1), {"w": True, "b": False}), params)
    expected, _ = steps(indian(0.1), {"w": params["w"]})
    assert_trees_equal(actual["w"], expected["w"])
    assert state.inner_state.velocity["b"] == optax.MaskedNode()
    # What is masked out passes through: the gradients themselves are the updates.
    np.testing.assert_allclose(actual["b"], params["b"] * 2 * 3 * 0.5 * 1.25)


@pytest.mark.parametrize("partition", [optax.multi_transform, partition_by_label])
def test_partition_with_two_of_them(params, steps, partition, assert_trees_equal):
    fast, slow = indian(0.1, 0.5, 0.1), indian(power_decay(0.01), 2.0, 0.5, weight_decay=0.1)
    actual, _ = steps(partition({"fast": fast, "slow": slow}, {"w": "fast", "b": "slow"}), params)
    assert_trees_equal(actual["w"], steps(fast, {"w": params["w"]})[0]["w"])
    assert_trees_equal(actual["b"], steps(slow, {"b": params["b"]})[0]["b"])


def test_multi_steps_accumulates_gradients(params, steps, assert_trees_close):
    gradients = [jax.tree.map(lambda p, f=f: f * p, params) for f in (1.0, 3.0, -2.0, 1.0)]
    tx = optax.MultiSteps(indian(0.1, 0.5, 0.1), every_k_schedule=2)
    inner = indian(0.1, 0.5, 0.1)
    state, inner_state = tx.init(params), inner.init(params)
    for first, second in (gradients[:2], gradients[2:]):
        updates, state = tx.update(first, state, params)
        assert not any(jnp.any(leaf) for leaf in jax.tree.leaves(updates))
        updates, state = tx.update(second, state, params)
        mean = jax.tree.map(lambda a, b: (a + b) / 2, first, second)
        expected, inner_state = inner.update(mean, inner_state, params)
        assert_trees_close(updates, expected)
    assert_trees_close(state.inner_opt_state, inner_state)


def test_apply_if_finite_leaves_the_first_step_to_the_first_finite_gradient(params, assert_trees_equal):
    tx = optax.apply_if_finite(indian(0.1), max_consecutive_errors=3)
    state = tx.init(params)
    updates, state = tx.update(jax.tree.map(lambda p: p * jnp.nan, params), state, params)
    assert not any(jnp.any(leaf) for leaf in jax.tree.leaves(updates))
    assert optax_tree.get(state.inner_state, "count") == 0
    updates, state = tx.update(params, state, params)
    expected, inner_state = indian(0.1).update(params, indian().init(params), params)
    assert_trees_equal(updates, expected)
    assert_trees_equal(state.inner_state, inner_state)


def test_lookahead_takes_the_fast_steps_and_keeps_the_velocity(params, assert_trees_close):
    # A wrapper with parameters of another type: it hands the fast weights on.
    tx, inner = optax.lookahead(indian(0.1), sync_period=2, slow_step_size=0.5), indian(0.1)
    both = optax.LookaheadParams.init_synced(params)
    state, inner_state = tx.init(both), inner.init(params)
    fast = slow = params
    for step in range(1, 5):
        updates, state = tx.update(both.fast, state, both)
        both = optax.apply_updates(both, updates)
        updates, inner_state = inner.update(fast, inner_state, fast)
        fast = optax.apply_updates(fast, updates)
        if step % 2 == 0:
            fast = slow = jax.tree.map(lambda f, s: s + 0.5 * (f - s), fast, slow)
        assert_trees_close((both.fast, both.slow), (fast, slow))
        assert_trees_close(state.fast_state, inner_state)


def test_tree_get_and_set_find_velocity_and_count(params, assert_trees_equal):
    tx = optax.chain(optax.clip(1.0), indian(0.1))
    _, state = tx.update(params, tx.init(params), params)
    assert_trees_equal(optax_tree.get(state, "velocity"), state[1].velocity)
    assert optax_tree.get(state, "count") == 1
    assert isinstance(optax_tree.get(state, "INDIANState"), INDIANState)
    state = optax_tree.set(state, velocity=params, count=jnp.int32(7))
    assert_trees_equal(state[1], INDIANState(jnp.int32(7), params))


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: indian(weight_decay=0.1), id="alone"),
        pytest.param(lambda: optax.chain(optax.clip(1.0), indian()), id="chain"),
        pytest.param(lambda: optax.inject_hyperparams(indian)(0.1), id="injected"),
        pytest.param(lambda: optax.masked(indian(), {"w": True, "b": True}), id="masked"),
    ],
)
def test_tree_map_params_maps_the_velocity_alone(params, make, assert_trees_equal):
    tx = make()
    state = tx.init(params)
    mapped = optax.tree_map_params(tx, lambda leaf: leaf + 1, state)
    assert_trees_equal(optax_tree.get(mapped, "velocity"), jax.tree.map(jnp.ones_like, params))
    assert all(count == 0 for _, count in optax_tree.get_all_with_path(mapped, "count"))
    labels = optax.tree_map_params(tx, lambda _: "velocity", state, transform_non_params=lambda _: "other")
    assert jax.tree.leaves(labels).count("velocity") == 2


def test_parameter_that_is_initialized_later_has_its_own_first_step():
    # In Optax a parameter joins by a state of its own, here in a second masked transformation.
    early, late = PhaseForm([1.0], alpha=0.5, beta=0.1), PhaseForm([2.0], alpha=0.5, beta=0.1)
    params = {"early": jnp.array([1.0]), "late": jnp.array([2.0])}
    first = indian(0.1, 0.5, 0.1)
    updates, early_state = first.update({"early": params["early"]}, first.init({"early": params["early"]}))
    params |= optax.apply_updates({"early": params["early"]}, updates)
    early.step(early.theta, 0.1)
    tx = partition_by_label(
        {"early": indian(0.1, 0.5, 0.1), "late": indian(0.1, 0.5, 0.1)}, {"early": "early", "late": "late"}
    )
    state = tx.init(params)
    velocity = early_state.velocity | {"late": optax.MaskedNode()}
    state.inner_states["early"] = optax.MaskedState(INDIANState(early_state.count, velocity))
    for _ in range(3):
        updates, state = tx.update(params, state, params)
        params = optax.apply_updates(params, updates)
        early.step(early.theta, 0.1)
        late.step(late.theta, 0.1)
    np.testing.assert_allclose(params["early"], early.theta, rtol=1e-6)
    np.testing.assert_allclose(params["late"], late.theta, rtol=1e-6)
