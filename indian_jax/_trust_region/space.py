"""JAX' vectors, for the solvers of `indian_core.trust_region`: trees of arrays.

The arithmetic stays leaf by leaf, so that a leaf keeps its sharding. An inner product is one number of all leaves.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from indian_core import norms
from indian_core.trust_region.probe import probe

__all__ = ["TreeSpace", "zeros_like"]


class TreeSpace:
    """Trees like the parameters in an ellipsoid; see `indian_core.trust_region.space.VectorSpace`.

    Args:
        scale: A, a tree like the parameters; of the number 1 for the Euclidean norm.
        dtype: Of the scalars.
        eps: Of the least precise leaf.
    """

    xp = jnp

    def __init__(self, scale: optax.Params, dtype: Any, eps: float) -> None:
        self._scale = scale
        self._dtype = dtype
        self.eps = eps

    @staticmethod
    def copy(x: optax.Params) -> optax.Params:
        """x."""
        return x

    @staticmethod
    def zeros_like(x: optax.Params) -> optax.Params:
        """0."""
        return zeros_like(x)

    @staticmethod
    def multiply(factor: jax.typing.ArrayLike, x: optax.Params) -> optax.Params:
        """factor · x, in the dtypes of x."""
        return jax.tree.map(lambda a: jnp.asarray(factor, a.dtype) * a, x)

    @staticmethod
    def add_scaled(x: optax.Params, factor: jax.typing.ArrayLike, y: optax.Params) -> optax.Params:
        """x + factor · y, in the dtypes of x."""
        return jax.tree.map(lambda a, b: a + jnp.asarray(factor, a.dtype) * b, x, y)

    def apply_scale(self, x: optax.Params) -> optax.Params:
        """Ax."""
        return jax.tree.map(lambda a, d: a * d, x, self._scale)

    def precondition(self, x: optax.Params) -> optax.Params:
        """A⁻¹x."""
        return jax.tree.map(norms.preconditioned, x, self._scale)

    def dots(self, *pairs: tuple[optax.Params, optax.Params]) -> list[jax.Array]:
        """xᵀy of each pair."""
        return [self._dot(x, y) for x, y in pairs]

    def _dot(self, x: optax.Params, y: optax.Params) -> jax.Array:
        parts = jax.tree.leaves(jax.tree.map(lambda a, b: norms.inner_product(a, b, 1.0, jnp), x, y))
        return sum((part.astype(self._dtype) for part in parts), start=jnp.zeros((), self._dtype))

    def probe(self, like: optax.Params) -> optax.Params:
        """The probe of a space of so many dimensions."""
        return jax.tree.map(
            lambda index, leaf, scale: probe(index).astype(leaf.dtype) / jnp.sqrt(scale),
            _indices(like),
            like,
            self._scale,
        )

    @staticmethod
    def choose(condition: jax.Array, yes: Callable[[], optax.Params], no: Callable[[], optax.Params]) -> optax.Params:
        """One of two trees, in a branch: the compiler keeps neither of them."""
        return jax.lax.cond(condition, yes, no)

    def loop(self, runs: Callable[..., Any], iterate: Callable[..., Any], carry: list[Any]) -> tuple[Any, ...]:
        """A `jax.lax.while_loop`; the scalars of a state keep their dtypes."""
        state, *vectors = carry
        return jax.lax.while_loop(
            lambda carry: runs(*carry), lambda carry: self._strong(iterate(*carry)), self._strong((state, *vectors))
        )

    def twice(self, run: Callable[[Any, jax.Array], Any], state: Any) -> tuple[Any, Any]:
        """Both runs as one loop, for the compiler to see the product once."""

        def body(previous: Any, second: jax.Array) -> tuple[Any, Any]:
            found = self._strong(run(previous, second))
            return found, found

        _, states = jax.lax.scan(body, self._strong(state), jnp.array([False, True]))
        first, second = (jax.tree.map(lambda field, i=i: field[i], states) for i in range(2))
        return first, second

    def _strong(self, tree: Any) -> Any:
        """A tree whose numbers have the dtypes that they keep: as they come, some have that of a Python number."""
        return jax.tree.map(self._strong_leaf, tree)

    def _strong_leaf(self, leaf: jax.typing.ArrayLike) -> jax.Array:
        array = jnp.asarray(leaf)
        if not array.weak_type:
            return array
        if jnp.issubdtype(array.dtype, jnp.floating):
            return array.astype(self._dtype)
        return array.astype(jnp.int32 if jnp.issubdtype(array.dtype, jnp.integer) else bool)


def zeros_like(x: optax.Params) -> optax.Params:
    """0, of the shapes, dtypes and shardings of x."""
    return jax.tree.map(jnp.zeros_like, x)


def _indices(x: optax.Params) -> optax.Params:
    """0, 1, 2, … over all entries of all leaves, row by row, as int32, which wraps around."""
    leaves, structure = jax.tree.flatten(x)
    offsets = np.cumsum([0] + [leaf.size for leaf in leaves])
    return jax.tree.unflatten(
        structure, [_leaf_indices(leaf, offset) for leaf, offset in zip(leaves, offsets, strict=False)]
    )


def _leaf_indices(array: jax.Array, offset: int) -> jax.Array:
    # Not a reshaped range, of which every device would make the whole.
    index = jnp.full_like(array, np.int64(offset).astype(np.int32), jnp.int32)
    for axis in range(array.ndim):
        stride = np.int64(np.prod(array.shape[axis + 1 :], dtype=np.int64)).astype(np.int32)
        index = index + stride * jax.lax.broadcasted_iota(jnp.int32, array.shape, axis)
    return index
