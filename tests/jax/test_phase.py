"""Access to the phase variable ψ."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from experiments.lib.jax_releases import partition as partition_by_label
from indian_core.reference import PhaseForm
from indian_jax import indian, phase


@pytest.fixture
def params():
    return {"w": jnp.array([1.0, -2.0]), "b": jnp.array([0.5])}


@pytest.fixture
def expected_phase(params):
    """ψ of one parameter after steps of 0.1 on ½‖θ‖² with α = 0.5, β = 0.1."""

    def expected_phase(name, steps):
        reference = PhaseForm(np.asarray(params[name]), alpha=0.5, beta=0.1)
        for _ in range(steps):
            reference.step(reference.theta, 0.1)
        return reference.phase

    return expected_phase


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: indian(0.1, 0.5, 0.1), id="alone"),
        pytest.param(
            lambda: optax.chain(optax.clip_by_global_norm(1e3), indian(0.1, 0.5, 0.1), optax.scale(1.0)), id="chain"
        ),
        pytest.param(lambda: optax.inject_hyperparams(indian)(0.1, 0.5, 0.1), id="injected"),
        pytest.param(lambda: optax.apply_if_finite(indian(0.1, 0.5, 0.1), 3), id="apply_if_finite"),
        pytest.param(lambda: optax.MultiSteps(indian(0.1, 0.5, 0.1), 1), id="MultiSteps"),
        pytest.param(
            lambda: optax.with_extra_args_support(optax.named_chain(("indian", indian(0.1, 0.5, 0.1)))), id="named"
        ),
    ],
)
def test_phase_is_the_reference_s(params, expected_phase, make):
    tx = make()
    state = tx.init(params)
    for steps in (1, 2, 3):
        updates, state = tx.update(params, state, params)
        params = optax.apply_updates(params, updates)
        psi = phase(params, state, alpha=0.5, beta=0.1)
        for name in params:
            np.testing.assert_allclose(psi[name], expected_phase(name, steps), rtol=1e-6)


def test_phase_takes_injected_hyperparameters(params, expected_phase):
    tx = optax.inject_hyperparams(indian)(0.1, 0.5, 0.1)

    @jax.jit
    def step(params, state):
        updates, state = tx.update(params, state, params)
        params = optax.apply_updates(params, updates)
        return phase(params, state, alpha=state.hyperparams["alpha"], beta=state.hyperparams["beta"])

    np.testing.assert_allclose(step(params, tx.init(params))["w"], expected_phase("w", 1), rtol=1e-6)


def test_phase_of_masked_parameters_is_masked(params, expected_phase):
    params["frozen"] = {"a": jnp.ones(1)}
    tx = optax.masked(indian(0.1, 0.5, 0.1), {"w": True, "b": True, "frozen": False})
    updates, state = tx.update(params, tx.init(params), params)
    psi = phase(optax.apply_updates(params, updates), state, alpha=0.5, beta=0.1)
    assert psi["frozen"] == optax.MaskedNode()
    np.testing.assert_allclose(psi["w"], expected_phase("w", 1), rtol=1e-6)


def test_phase_of_one_part_of_a_partition(params, expected_phase):
    tx = partition_by_label({"x": indian(0.1, 0.5, 0.1), "y": indian(0.2, 0.3, 0.4)}, {"w": "x", "b": "y"})
    updates, state = tx.update(params, tx.init(params), params)
    params = optax.apply_updates(params, updates)
    psi = phase(params, state.inner_states["x"], alpha=0.5, beta=0.1)
    np.testing.assert_allclose(psi["w"], expected_phase("w", 1), rtol=1e-6)
    with pytest.raises(ValueError, match="state must hold one state of indian, got 2 in PyTreeDef"):
        phase(params, state, alpha=0.5, beta=0.1)


@pytest.mark.parametrize("state", [(), optax.EmptyState(), optax.sgd(0.1, 0.9).init(jnp.ones(2))])
def test_phase_of_another_state_is_refused(params, state):
    with pytest.raises(ValueError, match="state must hold one state of indian, got 0 in PyTreeDef"):
        phase(params, state, alpha=0.5, beta=0.1)


def test_phase_before_the_first_step_is_refused(params):
    with pytest.raises(ValueError, match="state must have taken a step"):
        phase(params, indian().init(params), alpha=0.5, beta=0.1)


def test_phase_is_computed_in_full_precision():
    # In bfloat16, 1 − αβ = 1 − 2⁻¹⁰ is 1, and ψ would be θ − βm = 0.
    params = jnp.full(1, 1024.0, jnp.bfloat16)
    tx = indian(2.0**-5, 2.0**-5, 2.0**-5, initial_speed=0.0)
    _, state = tx.update(jnp.zeros_like(params), tx.init(params))
    state = state._replace(velocity=jnp.full(1, 2.0**15, jnp.bfloat16))
    psi = phase(params, state, alpha=jnp.bfloat16(2.0**-5), beta=jnp.bfloat16(2.0**-5))
    assert psi.dtype == jnp.bfloat16
    assert psi[0] == (1 - 2.0**-10) * 1024.0 - 1024.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(lambda params: list(params.values()), "params must have the structure of those", id="list"),
        pytest.param(lambda params: {"w": params["w"]}, r"it lacks the leaf \['b'\]$", id="missing"),
        pytest.param(lambda params: params | {"b": jnp.ones(())}, r"^params\['b'\] must be of shape \(1,\)", id="0-d"),
        pytest.param(lambda params: params | {"w": jnp.ones(1)}, r"^params\['w'\] must be of shape \(2,\)", id="1"),
    ],
)
def test_phase_of_parameters_that_do_not_fit_is_refused(params, change, message):
    tx = indian()
    _, state = tx.update(params, tx.init(params), params)
    with pytest.raises(ValueError, match=message):
        phase(change(params), state, alpha=0.5, beta=0.1)
