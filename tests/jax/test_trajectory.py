"""The transformation against the core's phase-form reference, θ and ψ at every step, in float64."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from indian_core.hyperparameters import DEFAULTS
from indian_core.momentum_sgd import from_momentum_sgd
from indian_core.reference import PhaseForm, trajectory
from indian_core.schedules import LogarithmicDecay, PowerDecay
from indian_jax import indian, logarithmic_decay, phase, power_decay

pytestmark = pytest.mark.usefixtures("x64")

STEPS = 300
# The largest difference met below is 3e-14, at alpha * gamma = 0.9.
TOLERANCE = 1e-12


@pytest.fixture
def assert_follows_reference(quadratic, run, relative_difference):
    def assert_follows_reference(learning_rate, schedule, alpha, beta, *, initial_speed=1.0, weight_decay=0.0):
        expected = trajectory(
            quadratic.gradient,
            quadratic.start,
            schedule,
            STEPS,
            alpha=alpha,
            beta=beta,
            initial_speed=initial_speed,
            weight_decay=weight_decay,
        )
        tx = indian(learning_rate, alpha, beta, initial_speed=initial_speed, weight_decay=weight_decay)
        actual = run(tx, quadratic.gradient, jnp.array(quadratic.start), STEPS)
        phases = jax.vmap(lambda params, state: phase(params, state, alpha=alpha, beta=beta))(*actual)
        assert relative_difference(actual.params, expected.theta[1:]) < TOLERANCE
        # ψ itself is 0 throughout where αβ = 1 and s = β.
        assert relative_difference(phases, expected.phase[1:], scale=expected.theta) < TOLERANCE

    return assert_follows_reference


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("initial_speed", ["0", "beta", "1"])
@pytest.mark.parametrize(
    ("learning_rate", "alpha", "beta"),
    [
        pytest.param(0.01, 0.5, 0.1, id="paper"),
        pytest.param(0.01, 2.0, 0.5, id="alpha*beta=1"),
        pytest.param(0.01, 100.0, 0.05, id="alpha*gamma=1"),
        pytest.param(0.01, 90.0, 0.05, id="alpha*gamma=0.9"),
        pytest.param(0.01, 120.0, 0.05, id="alpha*gamma>1"),
        pytest.param(0.01, 1.0, 0.01, id="gamma=beta"),
        pytest.param(0.01, 10.0, 0.004, id="gamma>beta"),
        pytest.param(0.01, 0.0, 0.05, id="alpha=0"),
    ],
)
def test_number_learning_rate(assert_follows_reference, learning_rate, alpha, beta, initial_speed, weight_decay):
    speed = {"0": 0.0, "beta": beta, "1": 1.0}[initial_speed]
    assert_follows_reference(learning_rate, learning_rate, alpha, beta, initial_speed=speed, weight_decay=weight_decay)


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize(("alpha", "beta"), [(0.5, 0.1), (1 / 0.016, 0.05)])
@pytest.mark.parametrize(
    ("optax_schedule", "schedule"),
    [
        pytest.param(power_decay(0.016, 0.25), PowerDecay(0.016, 0.25), id="power"),
        pytest.param(power_decay(0.016, 0.5, 50), PowerDecay(0.016, 0.5, 50), id="power with warm-up"),
        pytest.param(logarithmic_decay(0.016, 1.5), LogarithmicDecay(0.016, 1.5), id="logarithmic"),
        pytest.param(optax.constant_schedule(0.016), 0.016, id="optax constant"),
        pytest.param(
            # From an int32 count Optax computes in float32.
            lambda count: optax.linear_schedule(0.016, 0.001, STEPS)(jnp.asarray(count, float)),
            lambda k: 0.016 - 0.015 * k / STEPS,
            id="optax linear",
        ),
        pytest.param(
            optax.piecewise_constant_schedule(0.016, {100: 0.25}),
            lambda k: float(optax.piecewise_constant_schedule(0.016, {100: 0.25})(jnp.int32(k))),
            id="optax piecewise",
        ),
    ],
)
def test_schedule(assert_follows_reference, optax_schedule, schedule, alpha, beta, weight_decay):
    assert_follows_reference(optax_schedule, schedule, alpha, beta, weight_decay=weight_decay)


@pytest.mark.parametrize("number", [np.float64(0.01), np.array(0.01), np.array([0.01])], ids=repr)
def test_numpy_numbers_are_numbers(assert_follows_reference, number):
    assert_follows_reference(number, 0.01, alpha=50 * number, beta=10 * number, weight_decay=number)


def test_jax_numbers_are_numbers(assert_follows_reference):
    assert_follows_reference(jnp.array(0.01), 0.01, alpha=jnp.array(0.5), beta=jnp.array([0.1]))


def test_defaults_are_the_core_s(quadratic, run, assert_trees_equal):
    params = jnp.array(quadratic.start)
    explicit = indian(**DEFAULTS._asdict())
    assert_trees_equal(run(indian(), quadratic.gradient, params, 5), run(explicit, quadratic.gradient, params, 5))


def test_complex_parameters_follow_the_reference(run, relative_difference):
    curvature, start = np.array([1.0, 20.0]), np.array([1.0 + 2.0j, -3.0 + 0.5j])
    expected = trajectory(lambda theta, k: curvature * theta, start, 0.02, STEPS, alpha=0.5, beta=0.1, weight_decay=0.1)
    tx = indian(0.02, 0.5, 0.1, weight_decay=0.1)
    actual = run(tx, lambda theta: curvature * theta, jnp.array(start), STEPS)
    assert relative_difference(actual.params, expected.theta[1:]) < TOLERANCE


PARAMS = {"dense": {"kernel": np.array([[1.0, -2.0]]), "bias": np.array([0.5])}, "scale": np.array(2.0)}


@pytest.mark.parametrize(
    ("mask", "decaying"),
    [
        pytest.param(None, {"kernel", "bias", "scale"}, id="none"),
        pytest.param(True, {"kernel", "bias", "scale"}, id="True"),
        pytest.param(False, set(), id="False"),
        pytest.param({"dense": {"kernel": True, "bias": False}, "scale": False}, {"kernel"}, id="tree"),
        pytest.param({"dense": {"kernel": np.True_, "bias": np.False_}, "scale": np.False_}, {"kernel"}, id="numpy"),
        pytest.param({"dense": True, "scale": False}, {"kernel", "bias"}, id="prefix"),
        pytest.param(lambda params: jax.tree.map(lambda p: p.ndim > 1, params), {"kernel"}, id="function"),
        pytest.param(lambda params: {"dense": False, "scale": True}, {"scale"}, id="function to a prefix"),
    ],
)
@pytest.mark.parametrize("learning_rate", [0.05, power_decay(0.05, 0.25)], ids=["number", "schedule"])
def test_masked_weight_decay(run, relative_difference, learning_rate, mask, decaying):
    tx = indian(learning_rate, 0.5, 0.1, weight_decay=0.3, mask=mask)
    actual = run(tx, lambda params: params, jax.tree.map(jnp.array, PARAMS), 50)
    for path, start in jax.tree.leaves_with_path(PARAMS):
        name = path[-1].key
        expected = trajectory(
            lambda theta, k: theta,
            start,
            learning_rate,
            50,
            alpha=0.5,
            beta=0.1,
            weight_decay=0.3 if name in decaying else 0.0,
        )
        theta = actual.params["scale"] if name == "scale" else actual.params["dense"][name]
        assert relative_difference(theta, expected.theta[1:]) < TOLERANCE, name


@jax.tree_util.register_dataclass
@dataclass
class CallableTree:
    """A tree that can be called, as the modules of some libraries can; so can a mask mapped over it."""

    kernel: Any
    bias: Any

    def __call__(self):
        raise AssertionError("the mask is a tree, not a function")


def test_mask_that_can_be_called_but_is_a_tree(assert_trees_equal):
    params = CallableTree(kernel=jnp.ones(2), bias=jnp.ones(3))
    tx = indian(0.1, weight_decay=0.5, mask=CallableTree(kernel=True, bias=False))
    updates, _ = tx.update(params, tx.init(params), params)
    assert_trees_equal(updates.bias, indian(0.1).update(params, tx.init(params))[0].bias)
    assert updates.kernel[0] != updates.bias[0]


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_with_momentum_is_a_member_of_the_family(quadratic, run, relative_difference, nesterov):
    # Optax' own SGD, an oracle that shares nothing with this package.
    settings = from_momentum_sgd(1e-4, 0.9, nesterov=nesterov)
    params = jnp.array(quadratic.start)
    expected = run(optax.sgd(1e-4, 0.9, nesterov=nesterov), quadratic.gradient, params, 1000)
    actual = run(indian(**settings._asdict()), quadratic.gradient, params, 1000)
    assert relative_difference(actual.params, expected.params) < TOLERANCE


def test_gradient_that_does_not_come_from_a_function_of_the_parameters(run, relative_difference):
    # The order of steps matters: a gradient that is different each time, and 0 at the first.
    gradients = np.array([[0.0], [3.0], [-1.0], [0.5]])
    reference = PhaseForm([1.0], alpha=0.5, beta=0.1)
    tx = indian(0.1, 0.5, 0.1)
    params = jnp.array([1.0])
    state = tx.init(params)
    for gradient in gradients:
        reference.step(gradient, 0.1)
        updates, state = tx.update(jnp.array(gradient), state)
        params = optax.apply_updates(params, updates)
        assert relative_difference(params, reference.theta) < TOLERANCE
