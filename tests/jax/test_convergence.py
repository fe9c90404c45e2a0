"""Convergence on small problems of the kind on which Optax tests its own optimizers."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from indian_jax import indian, innaprop, power_decay


def squared_distance(params, minimum):
    return sum(
        jnp.sum(jnp.abs(p - q) ** 2) for p, q in zip(jax.tree.leaves(params), jax.tree.leaves(minimum), strict=True)
    )


def rosenbrock(params, minimum):
    x, y = params
    return (minimum[0] - x) ** 2 + 100 * (y - x**2) ** 2


PROBLEMS = [
    pytest.param(squared_distance, np.array([-1.0, 10.0, 1.0]), np.array([1.0, -1.0, 1.0]), id="vector"),
    pytest.param(squared_distance, np.zeros((2, 2)), np.array([[3.0, -2.0], [1.0, 4.0]]), id="matrix"),
    pytest.param(
        squared_distance, (np.zeros(3), np.zeros((2, 2))), (np.array([1.0, -1.0, 2.0]), np.eye(2)), id="mixed"
    ),
    pytest.param(squared_distance, np.array([1 + 1j, 0j]), np.array([0.5 - 2j, 3 + 1j]), id="complex"),
    pytest.param(rosenbrock, np.zeros(2), np.ones(2), id="Rosenbrock"),
]


OPTIMIZERS = [
    pytest.param(lambda: indian(0.01, 0.5, 0.1), 20_000, id="number"),
    pytest.param(lambda: indian(power_decay(0.01, 0.125), 0.5, 0.1), 20_000, id="schedule"),
    pytest.param(
        lambda: optax.inject_hyperparams(indian, hyperparam_dtype=jnp.float32)(0.01, 0.5, 0.1),
        20_000,
        id="injected",
    ),
    pytest.param(lambda: optax.chain(optax.clip_by_global_norm(1.0), indian(0.01, 0.5, 0.1)), 20_000, id="clipped"),
    pytest.param(lambda: innaprop(0.01, 2.0, 0.5, weight_decay=None), 10_000, id="INNAprop"),
    pytest.param(lambda: indian(0.5, 1.0, 0.9, norm="adagrad"), 10_000, id="AdaGrad norm"),
]

# Each optimizer meets one problem, and the first four meet two.
PAIRS = [(k, k % 5) for k in range(6)] + [(k, (k + 3) % 5) for k in range(4)]


@pytest.mark.parametrize(
    ("make", "steps", "loss", "start", "minimum"),
    [
        pytest.param(*OPTIMIZERS[k].values, *PROBLEMS[j].values, id=f"{OPTIMIZERS[k].id}-{PROBLEMS[j].id}")
        for k, j in PAIRS
    ],
)
def test_finds_the_minimum(loss, start, minimum, make, steps, run, last):
    tx = make()
    params = jax.tree.map(lambda array: jnp.asarray(array, jnp.result_type(array.dtype.type(0), jnp.float32)), start)

    def gradient(params):
        # JAX's gradient of a real function of complex arguments is the conjugate of the direction of ascent.
        return jax.tree.map(jnp.conj, jax.grad(loss)(params, minimum))

    found = last(run(tx, gradient, params, steps).params)
    for actual, expected in zip(jax.tree.leaves(found), jax.tree.leaves(minimum), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=3e-2, atol=3e-2)


def test_nonsmooth_function_of_the_paper(run, last):
    # 100(θ₂ − |θ₁|)² + |1 − θ₁|, with minimum (1, 1).
    def gradient(params):
        return jax.grad(lambda p: 100 * (p[1] - jnp.abs(p[0])) ** 2 + jnp.abs(1 - p[0]))(params)

    found = last(run(indian(power_decay(0.05, 0.5), 0.5, 0.1), gradient, jnp.array([-1.0, 1.5]), 20_000).params)
    np.testing.assert_allclose(found, [1.0, 1.0], atol=1e-2)
