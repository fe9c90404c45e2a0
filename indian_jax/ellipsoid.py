"""Vectors that are trees of arrays, and the inner products of an ellipsoid on them.

The arithmetic stays leaf by leaf, so that a leaf keeps its sharding; an inner product is one number of all leaves.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from indian_core import norms

__all__ = ["Ellipsoid", "add_scaled", "dot", "indices", "scaled", "zeros_like"]


@dataclass(frozen=True)
class Ellipsoid:
    """The norms ‖s‖ = √(sᵀAs) of steps and ‖g‖ = √(gᵀA⁻¹g) of gradients.

    Attributes:
        diagonal: A, a tree like the parameters; of the number 1 for the Euclidean norm.
        dtype: Of the scalars.
    """

    diagonal: optax.Params
    dtype: Any

    def inner(self, x: optax.Params, y: optax.Params) -> jax.Array:
        """xᵀAy, for steps x and y."""
        return _sum(jax.tree.map(lambda a, b, d: norms.inner_product(a, b, d, jnp), x, y, self.diagonal), self.dtype)

    def norm(self, step: optax.Params) -> jax.Array:
        """‖s‖."""
        return jnp.sqrt(self.inner(step, step))

    def dual_squared(self, gradient: optax.Params) -> jax.Array:
        """‖g‖²."""
        return dot(gradient, self.preconditioned(gradient), self.dtype)

    def preconditioned(self, gradient: optax.Params) -> optax.Params:
        """A⁻¹g."""
        return jax.tree.map(norms.preconditioned, gradient, self.diagonal)


def dot(x: optax.Params, y: optax.Params, dtype: Any) -> jax.Array:
    """xᵀy, a scalar of that dtype."""
    return _sum(jax.tree.map(lambda a, b: norms.inner_product(a, b, 1.0, jnp), x, y), dtype)


def _sum(scalars: Any, dtype: Any) -> jax.Array:
    return sum((scalar.astype(dtype) for scalar in jax.tree.leaves(scalars)), start=jnp.zeros((), dtype))


def add_scaled(x: optax.Params, scale: jax.Array, y: optax.Params) -> optax.Params:
    """x + scale·y, in the dtypes of x."""
    return jax.tree.map(lambda a, b: a + scale.astype(a.dtype) * b, x, y)


def scaled(scale: jax.Array, x: optax.Params) -> optax.Params:
    """scale·x, in the dtypes of x."""
    return jax.tree.map(lambda a: scale.astype(a.dtype) * a, x)


def zeros_like(x: optax.Params) -> optax.Params:
    """0, of the shapes, dtypes and shardings of x."""
    return jax.tree.map(jnp.zeros_like, x)


def indices(x: optax.Params) -> optax.Params:
    """0, 1, 2, … over all entries of all leaves, row by row, as int32, which wraps around."""
    leaves, structure = jax.tree.flatten(x)
    offsets = np.cumsum([0] + [leaf.size for leaf in leaves])
    return jax.tree.unflatten(
        structure, [_indices(leaf, offset) for leaf, offset in zip(leaves, offsets, strict=False)]
    )


def _indices(array: jax.Array, offset: int) -> jax.Array:
    # Not a reshaped range, of which every device would make the whole.
    index = jnp.full_like(array, np.int64(offset).astype(np.int32), jnp.int32)
    for axis in range(array.ndim):
        stride = np.int64(np.prod(array.shape[axis + 1 :], dtype=np.int64)).astype(np.int32)
        index = index + stride * jax.lax.broadcasted_iota(jnp.int32, array.shape, axis)
    return index
