"""Products of matrices in a lower precision."""

from types import SimpleNamespace
from typing import Any, Final

import jax
import jax.numpy as jnp

__all__ = ["PRECISIONS", "cast", "namespace"]

PRECISIONS: Final = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}
"""Dtypes of the factors of products, forward and backward; all else is in float32."""


def cast(array: Any, precision: str) -> jax.Array:
    """A factor of a product."""
    return jnp.asarray(array, PRECISIONS[precision])


def namespace(precision: str) -> Any:
    """What `experiments.lib.networks.character_gpt.logits` needs of `jax.numpy`, with products in a precision.

    Example:
        >>> namespace("bfloat16").matmul(jnp.ones((2, 3)), jnp.ones((3, 2))).dtype
        dtype('float32')
    """

    def matmul(a: Any, b: Any) -> jax.Array:
        # The result is rounded, too: so the products of the backward pass have factors in this precision.
        return jnp.matmul(cast(a, precision), cast(b, precision)).astype(jnp.float32)

    used = ("mean", "sqrt", "square", "reshape", "transpose", "where", "take")
    return SimpleNamespace(matmul=matmul, **{name: getattr(jnp, name) for name in used})
