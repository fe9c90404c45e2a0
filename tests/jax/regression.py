"""A small regression, and a transformation with all its options in use, for the tests with other libraries."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from indian_core import phase_from_velocity
from indian_jax import indian, power_decay

ALPHA, BETA = 0.5, 0.3

_generator = np.random.default_rng(0)
INPUTS = _generator.standard_normal((16, 8)).astype(np.float32)
TARGETS = np.tanh(INPUTS @ _generator.standard_normal((8, 1))).astype(np.float32)


def mean_squared_error(prediction: jax.Array) -> jax.Array:
    return jnp.mean((prediction - TARGETS) ** 2)


def transformation() -> optax.GradientTransformationExtraArgs:
    """Clipping, a schedule, and decay of the matrices alone."""
    return optax.chain(
        optax.clip_by_global_norm(1.0),
        indian(power_decay(0.2), ALPHA, BETA, weight_decay=0.1, mask=_matrices),
    )


def phase_of(params: optax.Params, velocity: optax.Params) -> optax.Params:
    """ψ, leaf by leaf."""
    return jax.tree.map(lambda theta, m: phase_from_velocity(theta, m, ALPHA, BETA), params, velocity)


def _matrices(params: optax.Params) -> optax.Params:
    return jax.tree.map(lambda param: param.ndim > 1, params)
