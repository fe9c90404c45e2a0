"""Steps in the norms of RMSProp and AdaGrad."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from experiments.lib.jax_releases import optax_tree
from indian_core.reference import PublishedINNAprop, trajectory
from indian_jax import INDIANState, indian, innaprop, phase, power_decay

STEPS = 100


def array(rate):
    return lambda count: jnp.asarray(rate)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("norm", "rate", "alpha", "beta", "initial_speed", "weight_decay"),
    [
        pytest.param("rmsprop", 0.1, 0.5, 0.3, 1.0, 0.0, id="number"),
        pytest.param("rmsprop", power_decay(0.1, power=0.0), 0.5, 0.3, 1.0, 0.1, id="schedule"),
        pytest.param("rmsprop", array(0.1), 0.5, 0.3, 1.0, 0.1, id="array"),
        pytest.param("rmsprop", 0.1, 10.0, 0.02, None, 0.1, id="alpha*gamma=1"),
        pytest.param("rmsprop", array(0.1), 10.0, 0.02, 1.0, 0.1, id="alpha*gamma=1, array"),
        pytest.param("adagrad", 0.1, 8.0, 0.1, 0.5, 0.1, id="AdaGrad, gamma=beta"),
        pytest.param("adagrad", array(0.1), 0.1, 0.9, None, 0.0, id="AdaGrad, array"),
    ],
)
def test_follows_the_reference(
    quadratic, run, relative_difference, norm, rate, alpha, beta, initial_speed, weight_decay
):
    settings = {"initial_speed": initial_speed, "weight_decay": weight_decay, "norm": norm, "norm_decay": 0.99}
    expected = trajectory(quadratic.gradient, quadratic.start, 0.1, STEPS, alpha=alpha, beta=beta, **settings)
    tx = indian(rate, alpha, beta, **settings)
    actual = run(tx, quadratic.gradient, jnp.array(quadratic.start), STEPS)
    phases = jax.vmap(lambda params, state: phase(params, state, alpha=alpha, beta=beta))(*actual)
    assert relative_difference(actual.params, expected.theta[1:]) < 1e-11
    assert relative_difference(phases, expected.phase[1:], scale=expected.theta) < 1e-11


@pytest.mark.usefixtures("x64")
def test_innaprop_is_the_published_one(quadratic, run, relative_difference):
    expected = trajectory(quadratic.gradient, quadratic.start, 1e-3, STEPS, method=PublishedINNAprop)
    actual = run(innaprop(), quadratic.gradient, jnp.array(quadratic.start), STEPS)
    assert relative_difference(actual.params, expected.theta[1:]) < 1e-12


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
@pytest.mark.parametrize(
    ("norm", "scaling"),
    [
        pytest.param(
            "rmsprop",
            lambda: optax.scale_by_rms(0.99, 1e-8, eps_in_sqrt=False, bias_correction=True),
            id="RMSProp",
        ),
        pytest.param("adagrad", lambda: optax.scale_by_rss(0.0, eps=0.0), id="AdaGrad"),
    ],
)
def test_is_a_chain_with_the_scaling_of_optax(quadratic, run, relative_difference, norm, scaling, dtype):
    def end(tx):
        def gradient(theta):
            return quadratic.gradient(theta).astype(dtype)

        # Optax has no epsilon beside the root for AdaGrad; so no coordinate starts without a gradient.
        return run(tx, gradient, jnp.array(quadratic.start + 0.5, dtype), STEPS)

    settings = {"initial_speed": None, "weight_decay": 0.1}
    chain = end(optax.chain(scaling(), indian(0.01, 0.1, 0.9, **settings)))
    epsilon = 1e-8 if norm == "rmsprop" else 0.0
    ours = end(indian(0.01, 0.1, 0.9, norm=norm, norm_decay=0.99, norm_epsilon=epsilon, **settings))
    assert relative_difference(ours.params, chain.params) < {jnp.float32: 1e-4, jnp.float64: 1e-11}[dtype]
    accumulator = jax.tree.leaves(chain.states[0])[-1]
    np.testing.assert_allclose(ours.states.accumulator, accumulator, rtol=1e-4)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("norm", "epsilon", "peer"),
    [
        pytest.param("rmsprop", 1e-8, lambda rate: optax.adam(rate, b1=0.0), id="Adam without momentum"),
        # Optax adds the epsilon of AdaGrad under the root.
        pytest.param("adagrad", 0.0, lambda rate: optax.adagrad(rate, 0.0, eps=0.0), id="AdaGrad"),
    ],
)
def test_alpha_beta_1_from_rest_is_the_optimizer_that_the_norm_comes_from(
    quadratic, run, relative_difference, norm, epsilon, peer
):
    start = jnp.array(quadratic.start)
    ours = run(indian(0.1, 4.0, 0.25, norm=norm, norm_epsilon=epsilon), quadratic.gradient, start, STEPS)
    expected = run(peer(0.1 * 0.25), quadratic.gradient, start, STEPS)
    assert relative_difference(ours.params, expected.params) < 1e-12
    assert not np.any(ours.states.velocity)


def test_first_step_in_float32_has_length_one_in_the_norm():
    # 1 − σ in float32 is off by 1e-5 of itself, and so would be the bias.
    gradients = jnp.array([3.0, -1e-3, 2e5])
    updates, _ = innaprop(0.1, weight_decay=None, norm_epsilon=0.0).update(gradients, innaprop().init(gradients))
    np.testing.assert_allclose(updates, -0.1 * 0.9 * jnp.sign(gradients), rtol=3e-7)


def test_coordinate_without_a_gradient_stays_where_it_is_even_without_epsilon():
    params = jnp.array([0.0, 1.0])
    tx = innaprop(weight_decay=None, norm_epsilon=0.0)
    updates, _ = tx.update(params, tx.init(params))
    assert updates[0] == 0
    assert updates[1] < 0


def test_state_is_velocity_count_and_accumulator(assert_trees_equal):
    params = {"w": jnp.ones((2, 3)), "b": jnp.ones(3, jnp.bfloat16)}
    tx = optax.chain(optax.clip(1e3), innaprop())
    _, state = tx.update(params, tx.init(params), params)
    assert isinstance(state[1], INDIANState)
    assert optax_tree.get(state, "count") == 1
    assert_trees_equal(optax_tree.get(state, "velocity"), state[1].velocity)
    assert_trees_equal(optax_tree.get(state, "accumulator"), state[1].accumulator)
    sizes = [sum(leaf.nbytes for leaf in jax.tree.leaves(tree)) for tree in (state, params)]
    assert sizes[0] == 2 * sizes[1] + 4
    mapped = optax.tree_map_params(tx, jnp.zeros_like, state)
    assert not any(jnp.any(leaf) for leaf in jax.tree.leaves((mapped[1].velocity, mapped[1].accumulator)))
    assert mapped[1].count == 1
    assert indian().init(params).accumulator is None


def test_a_gradient_none_leaves_velocity_and_accumulator_alone(assert_trees_equal):
    params = {"a": jnp.ones(2), "b": jnp.ones(3)}
    _, state = innaprop().update(params, innaprop().init(params), params)
    updates, next_state = innaprop().update({"a": None, "b": params["b"]}, state, params)
    assert updates["a"] is None
    for before, after in ((state.velocity, next_state.velocity), (state.accumulator, next_state.accumulator)):
        assert_trees_equal(after["a"], before["a"])
        assert jnp.all(after["b"] != before["b"])


def test_masked_and_injected_is_the_same_run(assert_trees_close):
    params = {"w": jnp.array([1.0, -2.0]), "b": jnp.array([3.0])}
    injected = optax.inject_hyperparams(indian)(0.01, 0.1, 0.9, norm="adagrad", norm_epsilon=0.5)
    masked = optax.masked(injected, {"w": True, "b": False})
    plain = indian(0.01, 0.1, 0.9, norm="adagrad", norm_epsilon=0.5)
    state, expected_state = masked.init(params), plain.init(params["w"])
    for _ in range(3):
        updates, state = jax.jit(masked.update)(params, state, params)
        expected, expected_state = plain.update(params["w"], expected_state)
        assert_trees_close(updates, {"w": expected, "b": params["b"]})
    assert_trees_close(optax_tree.get(state, "accumulator")["w"], expected_state.accumulator)
    assert optax_tree.get(state, "norm_epsilon") == 0.5


@pytest.mark.parametrize("norm", [None, "rmsprop", "adagrad"])
@pytest.mark.parametrize("make", [indian, optax.inject_hyperparams(indian)], ids=["plain", "injected"])
def test_by_default_it_starts_with_speed_1_without_a_norm_and_from_rest_in_one(assert_trees_close, norm, make):
    gradients = jnp.array([1.0, -2.0, 0.5])

    def first_step(**speed):
        tx = make(learning_rate=0.1, norm=norm, **speed)
        updates, state = tx.update(gradients, tx.init(gradients), gradients)
        return updates, optax_tree.get(state, "velocity")

    paper, rest = first_step(initial_speed=1.0), first_step(initial_speed=None)
    expected, other = (paper, rest) if norm is None else (rest, paper)
    for speed in ({}, {"initial_speed": "auto"}):
        assert_trees_close(first_step(**speed), expected)
        assert all(jnp.all(jnp.abs(a - b) > 0.009) for a, b in zip(first_step(**speed), other, strict=True))


@pytest.mark.parametrize("norm", ["rmsprop", "adagrad"])
def test_from_rest_is_a_speed_of_beta_for_a_traced_beta_too(norm):
    @jax.jit
    def first_velocity(beta):
        tx = indian(0.1, 0.5, beta, norm=norm)
        return tx.update(jnp.ones(2), tx.init(jnp.ones(2)))[1].velocity

    for beta in (0.25, 0.75):
        np.testing.assert_allclose(first_velocity(beta), -0.1 * (1 - 0.5 * beta), rtol=1e-6)


def test_with_its_defaults_it_trains_in_the_adagrad_norm(run):
    inputs = np.random.default_rng(0).normal(size=(16, 100))
    targets = inputs @ (0.05 * np.random.default_rng(1).normal(size=100))

    def loss(weights):
        return jnp.mean((jnp.array(inputs) @ weights - targets) ** 2)

    last = run(indian(norm="adagrad"), jax.grad(loss), jnp.zeros(100), 50).params[-1]
    assert loss(last) < 1e-3 * loss(jnp.zeros(100))


@pytest.mark.parametrize(("norm", "rate"), [(None, 0.1), ("rmsprop", 0.003), ("adagrad", 0.01)])
def test_by_default_the_learning_rate_is_that_of_the_norm(norm, rate):
    steps = [tx.update(jnp.ones(2), tx.init(jnp.ones(2)))[0] for tx in (indian(norm=norm), indian(rate, norm=norm))]
    np.testing.assert_array_equal(*steps)


@pytest.mark.parametrize("norm", ["rmsprop", "adagrad"])
def test_complex_gradients_are_scaled_by_their_absolute_value(norm):
    gradients = jnp.array([3 + 4j, -5j, 5.0], jnp.complex64)
    tx = indian(0.1, 0.5, 0.3, norm=norm, norm_decay=0.75)
    updates, state = tx.update(gradients, tx.init(gradients))
    assert state.accumulator.dtype == jnp.float32
    np.testing.assert_allclose(state.accumulator, 25.0 * (0.25 if norm == "rmsprop" else 1.0), rtol=1e-6)
    np.testing.assert_allclose(updates, -0.1 * 0.3 * gradients / 5, rtol=1e-6)
    assert updates.dtype == state.velocity.dtype == jnp.complex64


@pytest.mark.parametrize("norm_dtype", [None, jnp.float32, "bfloat16", np.dtype("float16")])
def test_norm_dtype(norm_dtype):
    params = {"half": jnp.ones(2, jnp.bfloat16), "complex": jnp.ones(2, jnp.complex64)}
    tx = innaprop(norm_dtype=norm_dtype)
    for update in (tx.update, jax.jit(tx.update)):
        updates, state = update(params, tx.init(params), params)
        assert state.accumulator["half"].dtype == jnp.dtype(norm_dtype or jnp.bfloat16)
        assert state.accumulator["complex"].dtype == jnp.dtype(norm_dtype or jnp.float32)
        assert updates["half"].dtype == state.velocity["half"].dtype == jnp.bfloat16


def test_bfloat16_parameters_with_a_wide_accumulator_stay_close_to_float32(quadratic, run, last):
    def end(dtype):
        tx = innaprop(power_decay(0.1), weight_decay=None, norm_dtype=jnp.float32, velocity_dtype=jnp.float32)
        return last(run(tx, quadratic.gradient, jnp.array(quadratic.start, dtype), STEPS).params)

    assert np.max(np.abs(end(jnp.bfloat16).astype(float) - end(jnp.float32))) < 0.05


def test_rounded_state_is_what_the_displacement_is_computed_from():
    # Whether eager or compiled: else XLA would keep the unrounded state in memory of its own.
    params = jnp.linspace(-1.0, 1.0, 7)
    tx = indian(0.1, 0.5, 0.3, norm="adagrad", norm_dtype=jnp.bfloat16, velocity_dtype=jnp.bfloat16)
    for update in (tx.update, jax.jit(tx.update)):
        state = tx.init(params)
        for _ in range(2):
            updates, state = update(params, state)
        direction = params / (jnp.sqrt(state.accumulator.astype(jnp.float32)) + 1e-8)
        rho = 1 - 0.5 * 0.1
        expected = 0.1 / rho * state.velocity.astype(jnp.float32) - 0.1 * (0.3 - 0.1) / rho * direction
        np.testing.assert_allclose(updates, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("norm", ["rmsprop", "adagrad"])
def test_squares_that_vanish_in_float16_make_no_huge_steps(norm, jit):
    gradient = jnp.full(4, 1e-4, jnp.float16)
    tx = indian(0.01, 0.1, 0.9, norm=norm)
    update = jax.jit(tx.update) if jit else tx.update
    updates, state = update(gradient, tx.init(gradient))
    assert jnp.all(state.accumulator == 0)
    np.testing.assert_allclose(updates, -0.01 * 0.9, rtol=2e-3)


@pytest.mark.slow
@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("norm", ["rmsprop", "adagrad"])
def test_vmap_and_gradient_with_respect_to_the_hyperparameters_in_a_norm(quadratic, norm):
    @jax.jit
    def loss(settings):
        rate, alpha, beta, norm_epsilon, norm_decay = settings
        tx = indian(rate, alpha, beta, norm=norm, norm_decay=norm_decay, norm_epsilon=norm_epsilon)
        params = jnp.array(quadratic.start)  # its first coordinate has no gradient, where the root has no derivative
        state = tx.init(params)
        for _ in range(3):
            updates, state = tx.update(quadratic.gradient(params), state)
            params += updates
        return jnp.sum(params**2)

    settings = jnp.array([[0.1, 0.5, 0.3, 1.0, 0.9], [0.2, 2.0, 0.1, 0.1, 0.5]])
    np.testing.assert_allclose(jax.vmap(loss)(settings), [loss(s) for s in settings], rtol=1e-12)
    gradient = jax.grad(loss)(settings[0])
    # AdaGrad has no decay.
    for index in range(5 if norm == "rmsprop" else 4):
        shift = 1e-6 * np.eye(5)[index]
        expected = (loss(settings[0] + shift) - loss(settings[0] - shift)) / 2e-6
        np.testing.assert_allclose(gradient[index], expected, rtol=1e-6)
        assert gradient[index] != 0
