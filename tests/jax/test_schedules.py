"""The core's schedules as Optax schedules."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from indian_core.schedules import LogarithmicDecay, PowerDecay
from indian_jax import indian, logarithmic_decay, power_decay

COUNTS = [0, 1, 2, 9, 10, 11, 12, 1000, 10**6]

SCHEDULES = [
    pytest.param(lambda initial: power_decay(initial), lambda initial: PowerDecay(initial), id="power default"),
    pytest.param(lambda initial: power_decay(initial, 0.25), lambda initial: PowerDecay(initial, 0.25), id="power"),
    pytest.param(lambda initial: power_decay(initial, 0.0), lambda initial: PowerDecay(initial, 0.0), id="constant"),
    pytest.param(
        lambda initial: power_decay(initial, 1.0, warmup_steps=10),
        lambda initial: PowerDecay(initial, 1.0, 10),
        id="warm-up",
    ),
    pytest.param(
        lambda initial: logarithmic_decay(initial), lambda initial: LogarithmicDecay(initial), id="log default"
    ),
    pytest.param(
        lambda initial: logarithmic_decay(initial, 1.5), lambda initial: LogarithmicDecay(initial, 1.5), id="log"
    ),
]


@pytest.mark.parametrize(("make", "make_core"), SCHEDULES)
@pytest.mark.usefixtures("x64")
def test_values_are_the_core_s(make, make_core):
    schedule, core = make(0.3), make_core(0.3)
    expected = [core(k) for k in COUNTS]
    np.testing.assert_allclose([schedule(k) for k in COUNTS], expected, rtol=1e-14)
    np.testing.assert_allclose([schedule(jnp.int32(k)) for k in COUNTS], expected, rtol=1e-14)
    np.testing.assert_allclose(jax.jit(jax.vmap(schedule))(jnp.array(COUNTS)), expected, rtol=1e-14)
    np.testing.assert_allclose(jax.jit(lambda rate: make(rate)(jnp.array(COUNTS)))(0.3), expected, rtol=1e-14)


@pytest.mark.parametrize(("make", "make_core"), SCHEDULES)
def test_values_without_x64_are_float32(make, make_core):
    value = jax.jit(make(0.3))(jnp.int32(10**6))
    assert value.dtype == jnp.float32
    np.testing.assert_allclose(value, make_core(0.3)(10**6), rtol=1e-5)


def test_joined_with_optax_schedules(run, assert_trees_close):
    schedule = optax.join_schedules([optax.linear_schedule(0.0, 0.1, 3), power_decay(0.1)], boundaries=[3])
    joined = run(indian(schedule), lambda params: params, jnp.ones(2), 6)
    table = jnp.array([0.0, 0.1 / 3, 0.2 / 3, 0.1, 0.1 / 2**0.5, 0.1 / 3**0.5])
    assert_trees_close(joined, run(indian(lambda count: table[count]), lambda params: params, jnp.ones(2), 6))
