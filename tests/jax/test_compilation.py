"""The transformation under JAX's own transformations: jit, scan, vmap, grad, eval_shape, donated buffers."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from indian_core.reference import trajectory
from indian_jax import indian, logarithmic_decay, phase, power_decay


@pytest.fixture
def params():
    return {"w": jnp.array([[1.0, -2.0], [0.5, 3.0]]), "b": jnp.array(0.5, jnp.float32)}


TRANSFORMATIONS = [
    pytest.param(lambda: indian(0.1, 0.5, 0.1), id="numbers"),
    pytest.param(lambda: indian(power_decay(0.1), 0.5, 0.1), id="schedule"),
    pytest.param(lambda: indian(0.1, 0.5, 0.1, weight_decay=0.1), id="weight decay"),
    pytest.param(lambda: optax.inject_hyperparams(indian)(0.1, 0.5, 0.1, weight_decay=0.1), id="injected"),
]


@pytest.mark.parametrize("make", TRANSFORMATIONS)
def test_jit_gives_the_eager_steps(make, params, assert_trees_close):
    tx = make()
    eager_state = jit_state = tx.init(params)
    jit_update = jax.jit(tx.update)
    for _ in range(3):
        eager, eager_state = tx.update(params, eager_state, params)
        jitted, jit_state = jit_update(params, jit_state, params)
        assert_trees_close(jitted, eager)
        assert_trees_close(jit_state, eager_state)


@pytest.mark.parametrize("make", TRANSFORMATIONS)
def test_state_keeps_its_structure_shapes_and_dtypes(make, params):
    tx = make()

    def kinds(tree):
        return jax.tree.map(lambda array: (array.shape, array.dtype, array.weak_type), tree)

    state = tx.init(params)
    expected = kinds(state)
    assert kinds(jax.eval_shape(tx.init, params)) == expected
    assert kinds(jax.jit(tx.init)(params)) == expected
    assert kinds(tx.update(params, state, params)[1]) == expected
    assert kinds(jax.jit(tx.update)(params, state, params)[1]) == expected
    assert kinds(jax.eval_shape(tx.update, params, state, params)[1]) == expected


def test_init_under_jit_gives_zeros(params, assert_trees_equal):
    tx = indian()
    assert_trees_equal(jax.jit(tx.init)(params), tx.init(params))
    assert_trees_equal(tx.init(params).velocity, jax.tree.map(jnp.zeros_like, params))
    assert_trees_equal(tx.init(params).count, jnp.int32(0))


@pytest.mark.usefixtures("x64")
def test_scan_over_a_thousand_steps_follows_the_reference(quadratic, run, relative_difference):
    expected = trajectory(quadratic.gradient, quadratic.start, 0.01, 1000, alpha=0.5, beta=0.1)
    actual = run(indian(0.01, 0.5, 0.1), quadratic.gradient, jnp.array(quadratic.start), 1000)
    assert relative_difference(actual.params, expected.theta[1:]) < 1e-12
    np.testing.assert_array_equal(actual.states.count, np.arange(1, 1001))


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("make_rate", [lambda rate: rate, power_decay, logarithmic_decay], ids=["rate", "power", "log"])
def test_vmap_over_hyperparameters_gives_the_separate_runs(quadratic, run, relative_difference, make_rate):
    settings = jnp.array([[0.01, 0.5, 0.1], [0.01, 100.0, 0.05], [0.02, 0.0, 0.01], [0.005, 2.0, 0.5]])
    start = jnp.array(quadratic.start)

    def end(rate, alpha, beta):
        return run(indian(make_rate(rate), alpha, beta, weight_decay=0.1), quadratic.gradient, start, 100)

    batched = jax.vmap(end)(*settings.T)
    for index, (rate, alpha, beta) in enumerate(settings.tolist()):
        separate = end(rate, alpha, beta)
        assert relative_difference(batched.params[index], separate.params) < 1e-12
        assert relative_difference(batched.states.velocity[index], separate.states.velocity) < 1e-12


def test_vmap_over_parameters_gives_the_separate_steps(assert_trees_close):
    batch = jnp.arange(6.0).reshape(3, 2)
    tx = indian(0.1, 0.5, 0.1)
    states = jax.vmap(tx.init)(batch)
    updates, states = jax.vmap(tx.update)(batch, states)
    for index, params in enumerate(batch):
        expected, state = tx.update(params, tx.init(params))
        assert_trees_close(updates[index], expected)
        assert_trees_close(jax.tree.map(lambda array, index=index: array[index], states), state)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    "settings",
    [
        pytest.param((0.01, 0.5, 0.1, 0.1, 1.0), id="usual"),
        pytest.param((0.01, 90.0, 0.05, 0.1, 0.5), id="alpha*gamma near 1"),
        pytest.param((0.01, 1.0, 0.01, 0.0, 0.0), id="gamma=beta"),
    ],
)
def test_gradient_with_respect_to_the_hyperparameters(quadratic, settings):
    start = jnp.array(quadratic.start)

    @jax.jit
    def loss(settings):
        rate, alpha, beta, weight_decay, initial_speed = settings
        tx = indian(rate, alpha, beta, weight_decay=weight_decay, initial_speed=initial_speed)

        def step(carry, _):
            params, state = carry
            updates, state = tx.update(quadratic.gradient(params), state, params)
            return (optax.apply_updates(params, updates), state), None

        (params, _), _ = jax.lax.scan(step, (start, tx.init(start)), length=10)
        return jnp.sum(params**2)

    gradient = jax.grad(loss)(jnp.array(settings))
    for index, value in enumerate(settings):
        width = 1e-6 * max(value, 0.01)
        shift = width * np.eye(len(settings))[index]
        expected = (loss(jnp.array(settings) + shift) - loss(jnp.array(settings) - shift)) / (2 * width)
        np.testing.assert_allclose(gradient[index], expected, rtol=1e-5, atol=1e-6)
        assert gradient[index] != 0


def test_injected_learning_rate_changes_without_recompilation(params):
    tx = optax.inject_hyperparams(indian)(0.1, 0.5, 0.1)
    traces = 0

    @jax.jit
    def step(params, state):
        nonlocal traces
        traces += 1
        updates, state = tx.update(params, state, params)
        return optax.apply_updates(params, updates), state

    state = tx.init(params)
    for rate in (0.1, 0.05, 0.01):
        state.hyperparams["learning_rate"] = jnp.asarray(rate, jnp.float32)
        params, state = step(params, state)
    assert traces == 1


def test_steps_do_not_recompile(params):
    tx = indian(power_decay(0.1), 0.5, 0.1, weight_decay=0.1)
    update = jax.jit(tx.update)
    state = tx.init(params)
    for _ in range(3):
        updates, state = update(params, state, params)
        params = optax.apply_updates(params, updates)
    assert update._cache_size() == 1


def jit_step(tx):
    def step(params, state, gradients):
        updates, state = tx.update(gradients, state, params)
        return optax.apply_updates(params, updates), state

    return jax.jit(step, donate_argnums=(0, 1))


def test_donated_buffers(assert_trees_close):
    tx = indian(0.1, 0.5, 0.1)
    gradients = jnp.arange(8.0)
    params = jnp.ones(8)
    expected_updates, expected_state = tx.update(gradients, tx.init(params), params)
    expected_params = optax.apply_updates(params, expected_updates)
    state = tx.init(params)
    actual_params, actual_state = jit_step(tx)(params, state, gradients)
    assert params.is_deleted()
    assert state.velocity.is_deleted()
    assert_trees_close(actual_params, expected_params)
    assert_trees_close(actual_state, expected_state)


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_donated_step_with_numbers_copies_no_buffer(weight_decay):
    size = 123_457
    params = [jnp.ones(size), jnp.ones(size)]
    tx = indian(0.1, 0.5, 0.1, weight_decay=weight_decay)
    compiled = jit_step(tx).lower(params, tx.init(params), params).compile()
    program = compiled.as_text()
    assert f"f32[{size}]" in program
    assert not re.findall(rf"f32\[{size}\]\S* copy\(", program)
    assert compiled.memory_analysis().temp_size_in_bytes < size


def test_traced_step_is_exact_where_the_post_form_alone_is_not(relative_difference):
    # αγ = 1 but for a rounding error: dividing by 1 − αγ would leave nothing of θ.
    rate, alpha, beta = 0.01, 100.0000001, 0.05
    gradients = np.array([1.0, -2.0, 3.0])
    expected = trajectory(lambda theta, k: gradients[k : k + 1], np.array([1.0]), rate, 3, alpha=alpha, beta=beta)

    @jax.jit
    def end(rate, alpha, beta):
        tx = indian(rate, alpha, beta)
        params, state = jnp.array([1.0]), tx.init(jnp.array([1.0]))
        for gradient in gradients:
            updates, state = tx.update(jnp.array([gradient], jnp.float32), state)
            params = optax.apply_updates(params, updates)
        return params, phase(params, state, alpha=alpha, beta=beta)

    params, psi = end(rate, alpha, beta)
    assert relative_difference(params, expected.theta[-1]) < 1e-6
    assert relative_difference(psi, expected.phase[-1]) < 1e-6
