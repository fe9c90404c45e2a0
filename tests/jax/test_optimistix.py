"""Minimizing a plain function: Optax' own loop, and Optimistix' minimizer around the transformation."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optimistix
import pytest

from experiments.lib.jax_releases import optax_tree
from indian_jax import indian, trust_region, until_accepted

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("x64")]

CURVATURE = np.array([1.0, 4.0, 20.0])


def loss(theta, minimum):
    """A convex function with a known minimum; not a quadratic."""
    difference = theta - minimum
    return jnp.sum(CURVATURE * (difference**2 / 2 + difference**4))


def transformation():
    return indian(0.1, 1.0, 0.3)


def minimum_of(minimum):
    solver = optimistix.OptaxMinimiser(transformation(), rtol=1e-12, atol=1e-12)
    return optimistix.minimise(loss, solver, jnp.zeros(3), minimum, max_steps=5000)


def test_while_loop_until_the_gradient_is_small_finds_the_minimum():
    minimum = jnp.array([0.3, -0.5, 0.2])
    tx = transformation()
    value_and_gradient = jax.value_and_grad(loss)

    def step(carry):
        params, state, gradient = carry
        updates, state = tx.update(gradient, state, params)
        params = optax.apply_updates(params, updates)
        return params, state, value_and_gradient(params, minimum)[1]

    def goes_on(carry):
        _, state, gradient = carry
        return (optax_tree.norm(gradient) > 1e-10) & (optax_tree.get(state, "count") < 5000)

    start = jnp.zeros(3)
    first = (start, tx.init(start), value_and_gradient(start, minimum)[1])
    params, state, gradient = jax.jit(lambda carry: jax.lax.while_loop(goes_on, step, carry))(first)
    assert optax_tree.norm(gradient) <= 1e-10
    assert 0 < state.count < 5000
    np.testing.assert_allclose(params, minimum, atol=1e-9)


def test_optimistix_finds_the_minimum():
    minimum = jnp.array([0.3, -0.5, 0.2])
    solution = minimum_of(minimum)
    assert solution.result == optimistix.RESULTS.successful
    np.testing.assert_allclose(solution.value, minimum, atol=1e-9)


def test_optimistix_takes_the_steps_of_a_plain_loop(run, relative_difference):
    minimum = jnp.array([0.3, -0.5, 0.2])
    solver = optimistix.OptaxMinimiser(transformation(), rtol=0.0, atol=0.0)
    stopped = optimistix.minimise(loss, solver, jnp.zeros(3), minimum, max_steps=20, throw=False)
    expected = run(transformation(), lambda theta: jax.grad(loss)(theta, minimum), jnp.zeros(3), 20)
    assert relative_difference(stopped.value, expected.params[-1]) < 1e-14
    assert relative_difference(stopped.state.opt_state.velocity, expected.states.velocity[-1]) < 1e-14


def test_minimum_of_optimistix_is_differentiated_implicitly():
    jacobian = jax.jacobian(lambda minimum: minimum_of(minimum).value)(jnp.array([0.3, -0.5, 0.2]))
    np.testing.assert_allclose(jacobian, np.eye(3), atol=1e-8)


def rosenbrock(theta, _):
    return jnp.sum(100 * (theta[1:] - theta[:-1] ** 2) ** 2 + (1 - theta[:-1]) ** 2)


@pytest.mark.parametrize("subproblem", ["steihaug", "lanczos"])
def test_optimistix_goes_on_after_a_rejected_step_of_the_trust_region(subproblem):
    """Its test of convergence would take the zero update of a rejected step for the end."""
    region = trust_region(norm=None, subproblem=subproblem, radius=1.0, expand_factor=2.0, max_iterations=10)
    start = jnp.array([-1.2, 1.0, -0.5])

    def solved(transformation):
        solver = optimistix.OptaxMinimiser(transformation, rtol=1e-9, atol=1e-9)
        return optimistix.minimise(rosenbrock, solver, start, max_steps=300)

    alone, wrapped = solved(region), solved(until_accepted(region))
    assert np.abs(alone.value - 1).max() > 0.1
    assert wrapped.result == optimistix.RESULTS.successful
    np.testing.assert_allclose(wrapped.value, 1.0, atol=1e-6)


def test_trials_are_counted_and_limited():
    tx = until_accepted(trust_region(norm=None, radius=1.0, max_radius=1e9, curvature="none"), max_trials=3)

    def value_fn(theta):
        return jnp.where(jnp.abs(theta) < 1e-3, theta, 1.0)

    theta = jnp.array(0.0)
    value, grad = jax.value_and_grad(value_fn)(theta)
    updates, state = tx.update(grad, tx.init(theta), theta, value=value + 1e-9, grad=grad, value_fn=value_fn)
    assert updates == 0
    assert not state.report.accepted
    assert state.report.backpropagations == 3
    assert state.report.radius == pytest.approx(1.5**-3)


def test_bad_input_of_until_accepted():
    with pytest.raises(ValueError, match="max_trials must be an integer >= 1, got 0"):
        until_accepted(trust_region(), max_trials=0)
    with pytest.raises(TypeError, match="state must be a TrustRegionState"):
        until_accepted(trust_region()).update(jnp.ones(2), optax.EmptyState(), jnp.ones(2))
