"""What old releases of JAX lack. The package uses no private name of JAX or Optax."""

from typing import Any

import jax

__all__ = ["optimization_barrier"]


@jax.custom_jvp
def _optimization_barrier(operand: Any) -> Any:
    return jax.lax.optimization_barrier(operand)


@_optimization_barrier.defjvp
def _derivative(primals: tuple[Any], tangents: tuple[Any]) -> tuple[Any, Any]:
    return _optimization_barrier(*primals), tangents[0]


optimization_barrier = jax.lax.optimization_barrier if jax.__version_info__ >= (0, 5, 3) else _optimization_barrier
"""``jax.lax.optimization_barrier``, which has had derivatives since JAX 0.5.3."""
