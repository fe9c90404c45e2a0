"""Convolutions of images, in the way that suits a device."""

from typing import Any, Final

import jax
import jax.numpy as jnp

from experiments.studies.damping.tasks.precision import cast

__all__ = ["CONVOLUTIONS", "by_patches", "direct"]


def direct(x: Any, kernel: Any, stride: int, precision: str) -> jax.Array:
    """A convolution of images (n, height, width, inputs) with a kernel (size, size, inputs, outputs), by XLA's own."""
    margin = kernel.shape[0] // 2
    y = jax.lax.conv_general_dilated(
        cast(x, precision),
        cast(kernel, precision),
        (stride, stride),
        ((margin, margin), (margin, margin)),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    return y.astype(jnp.float32)


def by_patches(x: Any, kernel: Any, stride: int, precision: str) -> jax.Array:
    """The same, as a product of matrices. On a CPU, XLA's own is tens of times slower inside a loop of steps."""
    size, _, inputs, outputs = kernel.shape
    n, height, width, _ = x.shape
    margin = size // 2
    padded = jnp.pad(x, ((0, 0), (margin, margin), (margin, margin), (0, 0)))
    shifts = [(i, j) for i in range(size) for j in range(size)]
    patches = jnp.concatenate([padded[:, i : i + height : stride, j : j + width : stride] for i, j in shifts], -1)
    rows = patches.reshape(-1, size * size * inputs)
    y = cast(rows, precision) @ cast(kernel.reshape(-1, outputs), precision)
    return y.astype(jnp.float32).reshape(n, *patches.shape[1:3], outputs)


CONVOLUTIONS: Final = {"direct": direct, "by_patches": by_patches}
"""Ways to compute a convolution, by name."""
