"""Dtypes of updates and state, and the precision of the arithmetic."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from experiments.lib.jax_releases import enable_x64, optax_tree
from indian_jax import indian, phase, power_decay

DTYPES = ["bfloat16", "float16", "float32", "float64", "complex64", "complex128"]

LEARNING_RATES = [
    pytest.param(lambda: indian(0.1, 0.5, 0.1, weight_decay=0.1), id="number"),
    pytest.param(lambda: indian(power_decay(0.1), 0.5, 0.1, weight_decay=0.1), id="schedule"),
    pytest.param(
        lambda: optax.inject_hyperparams(indian, hyperparam_dtype=jnp.float32)(0.1, 0.5, 0.1, weight_decay=0.1),
        id="injected",
    ),
]


@pytest.fixture
def matching_precision(request):
    """64-bit types exist only where they are enabled; the narrower ones have to survive either way."""
    with enable_x64(request.param):
        yield


PRECISIONS = [(True, dtype) for dtype in DTYPES]
PRECISIONS += [(False, dtype) for dtype in DTYPES if dtype not in ("float64", "complex128")]


@pytest.mark.parametrize(
    ("make", "matching_precision", "dtype"),
    [
        pytest.param(*LEARNING_RATES[k % 3].values, *precision, id=f"{LEARNING_RATES[k % 3].id}-{precision}")
        for k, precision in enumerate(PRECISIONS)
    ],
    indirect=["matching_precision"],
)
@pytest.mark.usefixtures("matching_precision")
def test_updates_and_state_have_the_parameters_dtype(make, dtype):
    tx = make()
    params = {"w": jnp.ones((2, 3), dtype)}
    state = tx.init(params)
    for update in (tx.update, jax.jit(tx.update)):
        updates, new_state = update(params, state, params)
        assert updates["w"].dtype == dtype
        assert optax_tree.get(new_state, "velocity")["w"].dtype == dtype
        assert not updates["w"].weak_type
    psi = phase(params, new_state, alpha=0.5, beta=0.1)
    assert psi["w"].dtype == dtype


def test_mixed_dtypes_are_kept_leaf_by_leaf():
    params = {"half": jnp.ones(2, jnp.bfloat16), "single": jnp.ones(2), "complex": jnp.ones(2, jnp.complex64)}
    tx = indian()
    updates, state = tx.update(params, tx.init(params))
    dtypes = {"half": jnp.bfloat16, "single": jnp.float32, "complex": jnp.complex64}
    assert {name: leaf.dtype for name, leaf in updates.items()} == dtypes
    assert {name: leaf.dtype for name, leaf in state.velocity.items()} == dtypes


@pytest.mark.parametrize("velocity_dtype", [jnp.float32, "float32", np.dtype("float32"), jnp.float16])
def test_velocity_dtype(velocity_dtype):
    params = {"real": jnp.ones(2, jnp.bfloat16), "complex": jnp.ones(2, jnp.complex64)}
    tx = indian(velocity_dtype=velocity_dtype)
    updates, state = tx.update(params, tx.init(params))
    assert state.velocity["real"].dtype == jnp.dtype(velocity_dtype)
    assert state.velocity["complex"].dtype == jnp.complex64
    assert updates["real"].dtype == jnp.bfloat16


def test_float64_velocity_without_x64_is_float32():
    assert indian(velocity_dtype="float64").init(jnp.ones(2)).velocity.dtype == jnp.float32


@pytest.mark.usefixtures("x64")
def test_wider_velocity_is_not_rounded_to_the_gradient_s_dtype():
    gradient = jnp.ones(1, jnp.float32)
    tx = indian(0.1, 0.5, 0.1, velocity_dtype=jnp.float64)
    _, state = tx.update(gradient, tx.init(gradient))
    exact = (1 - 0.05) * (0.1 - 1.0) - 0.1 * (1 - 0.05)
    np.testing.assert_allclose(state.velocity, exact, rtol=1e-15)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda rate, alpha: indian(rate, alpha, 0.1, velocity_dtype=jnp.float32), id="number"),
        pytest.param(
            lambda rate, alpha: optax.inject_hyperparams(indian, static_args="velocity_dtype")(
                rate, alpha, 0.1, velocity_dtype=jnp.float32
            ),
            id="injected",
        ),
        pytest.param(
            lambda rate, alpha: indian(
                lambda count: jnp.bfloat16(rate), jnp.bfloat16(alpha), 0.1, velocity_dtype=jnp.float32
            ),
            id="bfloat16 schedule",
        ),
    ],
)
@pytest.mark.parametrize("jit", [False, True])
def test_damping_is_not_rounded_away_in_bfloat16(make, jit):
    # 1 − αγ = 1 − 2⁻¹⁰ is 1 in bfloat16, though α and γ are exact: the velocity would never decay.
    rate, alpha, steps = 2.0**-5, 2.0**-5, 1024
    params = jnp.ones(1, jnp.bfloat16)
    tx = make(rate, alpha)
    update = jax.jit(tx.update) if jit else tx.update
    state = optax_tree.set(tx.init(params), velocity=jnp.ones(1), count=jnp.int32(1))
    for _ in range(steps if jit else 64):
        _, state = update(jnp.zeros_like(params), state, params)
    expected = (1 - rate * alpha) ** (steps if jit else 64)
    np.testing.assert_allclose(optax_tree.get(state, "velocity"), expected, rtol=1e-4)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda *settings: indian(*settings), id="number"),
        pytest.param(lambda rate, alpha, beta: indian(lambda count: jnp.bfloat16(rate), alpha, beta), id="schedule"),
        pytest.param(lambda *settings: optax.inject_hyperparams(indian)(*settings), id="injected"),
    ],
)
@pytest.mark.parametrize("jit", [False, True])
def test_a_step_in_bfloat16_is_rounded_once(make, jit):
    # ρm = 1 − 2⁻¹⁰ and the gradient's share is −1: rounded one by one to bfloat16, they would cancel.
    params = jnp.ones(1, jnp.bfloat16)
    tx = make(2.0**-5, 2.0**-5, 2.0**4)
    state = optax_tree.set(tx.init(params), velocity=params, count=jnp.int32(1))
    update = jax.jit(tx.update) if jit else tx.update
    _, state = update(jnp.full(1, 2.0**6, jnp.bfloat16), state, params)
    velocity = optax_tree.get(state, "velocity")
    assert velocity.dtype == jnp.bfloat16
    assert velocity[0] == -(2.0**-10)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("make", LEARNING_RATES)
def test_float32_parameters_are_not_stepped_in_float64(make):
    params = jnp.ones(3, jnp.float32)
    tx = make()
    program = str(jax.make_jaxpr(tx.update)(params, tx.init(params), params))
    assert "f32[3]" in program
    assert "f64[3]" not in program


def test_bfloat16_parameters_stay_close_to_float32(quadratic, run, last):
    def end(dtype):
        params = jnp.array(quadratic.start, dtype)
        tx = indian(0.005, 0.5, 0.1, velocity_dtype=jnp.float32)
        gradient = lambda theta: quadratic.gradient(theta.astype(jnp.float32)).astype(dtype)  # noqa: E731
        return np.asarray(last(run(tx, gradient, params, 2000).params), np.float32)

    assert np.max(np.abs(end(jnp.bfloat16) - end(jnp.float32))) < 0.05


@pytest.mark.parametrize("leaf", [2, 2.0, np.float32(2.0), np.array([2, 3])], ids=repr)
def test_numbers_and_integer_arrays_are_taken_for_floats(leaf, assert_trees_equal):
    tx = indian(0.1, 0.5, 0.1, weight_decay=0.1)
    updates, state = tx.update(leaf, tx.init(leaf), leaf)
    array = jnp.asarray(leaf, jnp.float32)
    expected_updates, expected_state = tx.update(array, tx.init(array), array)
    assert_trees_equal(updates, expected_updates)
    assert_trees_equal(state, expected_state)
