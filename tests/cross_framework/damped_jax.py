"""Runs of the damped transformations in JAX."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.lib.jax_releases import enable_x64
from indian_jax import damped_adamw, damped_sgd, scale_by_damped_momentum
from tests.cross_framework.damped_cases import NORM_DECAY, NORM_EPSILON, DampedCase, flat


def run(case: DampedCase, variant: str) -> np.ndarray:
    """θ after each step."""
    with enable_x64(True):
        schedule = _schedule(case)
        if case.order is None and case.weight_decay == 0:
            return _walk(case, damped_sgd(schedule, case.momentum, damping=case.damping))
        if case.order is None:
            direction = scale_by_damped_momentum(case.momentum, case.damping)
            decay = optax.add_decayed_weights(case.weight_decay, [True, False])
            return _walk(case, optax.chain(direction, decay, optax.scale_by_learning_rate(schedule)))
        options = {"weight_decay": case.weight_decay, "mask": [True, False]}
        betas = (case.momentum, NORM_DECAY, NORM_EPSILON)
        return _walk(case, damped_adamw(schedule, *betas, **options, damping=case.damping, order=case.order))


def run_own(case: DampedCase) -> np.ndarray:
    """θ after each step of `optax.adamw` or `optax.sgd`, where the case is one of theirs."""
    with enable_x64(True):
        if case.order is None:
            return _walk(case, optax.sgd(_schedule(case), case.momentum, case.is_nesterov))
        options = {"weight_decay": case.weight_decay, "mask": [True, False]}
        return _walk(case, optax.adamw(_schedule(case), case.momentum, NORM_DECAY, NORM_EPSILON, **options))


def _schedule(case: DampedCase) -> optax.Schedule:
    rates = jnp.asarray(case.rates())
    return lambda count: rates[count]


def _walk(case: DampedCase, transformation: optax.GradientTransformation) -> np.ndarray:
    parameters = [jnp.asarray(array) for array in case.start()]
    state, update = transformation.init(parameters), jax.jit(transformation.update)
    thetas = []
    for k in range(case.steps):
        updates, state = update(case.gradient([np.asarray(p) for p in parameters], k), state, parameters)
        parameters = optax.apply_updates(parameters, updates)
        thetas.append(flat(parameters))
    return np.stack(thetas)
