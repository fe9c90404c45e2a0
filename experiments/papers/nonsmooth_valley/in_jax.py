"""The descent in JAX."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.lib.jax_releases import enable_x64
from experiments.papers.nonsmooth_valley.loss import START, loss
from indian_jax import indian

__all__ = ["trajectory"]


def trajectory(step_size: float, hyperparameters: dict[str, Any], steps: int) -> np.ndarray:
    """All points, of shape (steps + 1, 2)."""
    tx = indian(step_size, **hyperparameters)

    def step(carry: Any, _: None) -> tuple[Any, jax.Array]:
        theta, state = carry
        updates, state = tx.update(jax.grad(loss)(theta), state, theta)
        theta = optax.apply_updates(theta, updates)
        return (theta, state), theta

    with enable_x64(True):
        theta = jnp.array(START, jnp.float64)
        _, points = jax.jit(lambda carry: jax.lax.scan(step, carry, length=steps))((theta, tx.init(theta)))
        return np.concatenate([[START], points])
