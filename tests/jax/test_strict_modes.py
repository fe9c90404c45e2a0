"""Every transformation and schedule under JAX's strict modes: no implicit promotion of dtypes or of ranks."""

import re
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from experiments.lib.jax_releases import enable_x64, optax_tree
from indian_jax import indian, innaprop, logarithmic_decay, phase, power_decay


@pytest.fixture(autouse=True)
def strict() -> Iterator[None]:
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        yield


def matrices(params):
    return jax.tree.map(lambda param: jnp.ndim(param) > 1, params)


def injected(make, **settings):
    """With every number in the state, in float32 beside parameters of any dtype."""
    static = ("mask", "velocity_dtype", "norm_dtype")
    return optax.inject_hyperparams(make, static_args=static, hyperparam_dtype=jnp.float32)(**settings)


SETTINGS = {
    "number": lambda: indian(0.1, 0.5, 0.3),
    "from rest": lambda: indian(0.1, 0.5, 0.3, initial_speed=None),
    "weight decay": lambda: indian(0.1, 0.5, 0.3, weight_decay=0.1, mask=matrices),
    "power": lambda: indian(power_decay(0.1, power=0.25), 0.5, 0.3, weight_decay=0.1),
    "power, warm-up": lambda: indian(power_decay(0.1, warmup_steps=2), 0.5, 0.3),
    "logarithmic": lambda: indian(logarithmic_decay(0.1), 0.5, 0.3),
    "schedule of Optax": lambda: indian(optax.linear_schedule(0.1, 0.01, 10), 0.5, 0.3, weight_decay=0.1),
    "schedule of numbers": lambda: indian(lambda count: 0.1, 0.5, 0.3),
    "schedule in bfloat16": lambda: indian(lambda count: jnp.bfloat16(0.1), 0.5, 0.3),
    "integer schedule": lambda: indian(lambda count: count, 0.5, 0.3),
    "arrays": lambda: indian(jnp.float32(0.1), jnp.bfloat16(0.5), np.float64(0.3), weight_decay=np.float16(0.1)),
    "alpha*gamma=1": lambda: indian(0.1, 10.0, 0.3, weight_decay=0.1),
    "alpha*gamma=1, schedule": lambda: indian(power_decay(0.1), 10.0, 0.3, weight_decay=0.1, mask=matrices),
    "injected": lambda: injected(indian, learning_rate=0.1, alpha=0.5, beta=0.3, initial_speed=0.5, weight_decay=0.1),
    "injected schedule": lambda: injected(indian, learning_rate=power_decay(0.1), alpha=10.0, mask=matrices),
    "RMSProp": lambda: innaprop(0.1, mask=matrices),
    "RMSProp, float32 state": lambda: innaprop(0.1, velocity_dtype=jnp.float32, norm_dtype=jnp.float32),
    "RMSProp, bfloat16 state": lambda: innaprop(0.1, velocity_dtype=jnp.bfloat16, norm_dtype=jnp.bfloat16),
    "RMSProp, float16 accumulator": lambda: innaprop(power_decay(0.1), norm_dtype=jnp.float16),
    "RMSProp without memory": lambda: innaprop(0.1, norm_decay=0.0),
    "RMSProp, schedule": lambda: innaprop(logarithmic_decay(0.1), alpha=10.0),
    "RMSProp, injected": lambda: injected(innaprop, learning_rate=power_decay(0.1), norm_dtype=jnp.float32),
    "AdaGrad": lambda: indian(0.1, norm="adagrad", weight_decay=0.1),
    "AdaGrad, injected": lambda: injected(indian, learning_rate=0.1, norm="adagrad"),
}

PARAMS = {
    "single": jnp.linspace(-1.0, 1.0, 6, dtype=jnp.float32).reshape(2, 3),
    "bfloat16": jnp.linspace(-1.0, 1.0, 6, dtype=jnp.bfloat16).reshape(2, 3),
    "float16": jnp.array([0.5, -0.25], jnp.float16),
    "complex": jnp.array([[1 + 2j, -1j]], jnp.complex64),
    "scalar": jnp.float32(0.5),
    "integers": np.array([2, 3], np.int32),
    "number": 2.0,
}


def steps(tx, params):
    """Parameters, state and phase after two steps whose gradients are the first parameters."""
    gradients, state = params, tx.init(params)
    for _ in range(2):
        updates, state = tx.update(gradients, state, params)
        params = jax.tree.map(lambda param, update: jnp.asarray(param, update.dtype) + update, params, updates)
    return params, state, phase(params, optax_tree.get(state, "INDIANState"), alpha=0.5, beta=jnp.float32(0.3))


@pytest.mark.parametrize("x64", [False, True], ids=["x32", "x64"])
@pytest.mark.parametrize("make", SETTINGS.values(), ids=SETTINGS)
def test_strict_modes_change_nothing_in_the_program(make, x64):
    with enable_x64(x64):
        params = PARAMS | ({"double": jnp.ones((2, 1)), "complex128": jnp.ones(2, complex)} if x64 else {})
        strict = program(make, params)
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            assert strict == program(make, params)


def program(make, params):
    """The operations of two steps; JAX 0.4.38 shows with a function where it lies in memory."""
    return re.sub(r" at 0x\w+", "", str(jax.make_jaxpr(lambda params: steps(make(), params))(params)))


@pytest.mark.parametrize(
    "kind", ["number", "weight decay", "alpha*gamma=1, schedule", "injected", "RMSProp", "AdaGrad"]
)
def test_steps_outside_of_jit(kind, assert_trees_equal):
    strict = steps(SETTINGS[kind](), PARAMS)
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        assert_trees_equal(strict, steps(SETTINGS[kind](), PARAMS))


def test_phase_with_traced_numbers():
    def psi(alpha, beta):
        tx = indian(0.1, alpha, beta)
        _, state = tx.update(PARAMS, tx.init(PARAMS), PARAMS)
        return phase(PARAMS, state, alpha=alpha, beta=beta)

    numbers = jnp.bfloat16(0.5), jnp.float32(0.25)
    traced, known = jax.jit(psi)(*numbers), psi(*numbers)
    assert jax.tree.map(jnp.shape, traced) == jax.tree.map(jnp.shape, known)
    for name in PARAMS:
        assert traced[name].dtype == known[name].dtype
        np.testing.assert_allclose(np.asarray(traced[name], complex), np.asarray(known[name], complex), rtol=1e-2)


@pytest.mark.parametrize("count", [3, np.int64(3), jnp.int32(3), jnp.float32(3)], ids=repr)
@pytest.mark.parametrize("initial", [0.5, jnp.bfloat16(0.5), np.float64(0.5)], ids=repr)
@pytest.mark.parametrize("make", [power_decay, logarithmic_decay])
def test_schedules_take_every_count(make, initial, count):
    expected = make(0.5)(3)
    np.testing.assert_array_equal(make(initial)(count), expected)
    np.testing.assert_array_equal(jax.jit(lambda initial: make(initial)(count))(initial), expected)


def test_hyperparameters_of_other_dtypes_in_vmap_and_grad():
    params = jnp.ones(3)

    def loss(rate, alpha, weight_decay):
        tx = indian(rate, alpha, 0.3, weight_decay=weight_decay, norm="rmsprop", norm_decay=rate)
        updates, _ = tx.update(params, tx.init(params), params)
        return jnp.sum(updates**2)

    settings = jnp.array([0.1, 0.2]), jnp.array([0.5, 1.0], jnp.bfloat16), jnp.array([0.25, 0.5], jnp.float16)
    batched = jax.vmap(loss)(*settings)
    np.testing.assert_allclose(batched, [loss(*values) for values in zip(*settings, strict=True)], rtol=1e-6)
    assert all(jnp.all(slope != 0) for slope in jax.vmap(jax.grad(loss, argnums=(0, 1, 2)))(*settings))
