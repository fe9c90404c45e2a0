"""A step of one variable on JAX: that of any backend. Imported on that backend alone."""

from typing import Any

import jax

from indian_tf._step.any_backend import AnyBackend

__all__ = ["BACKEND", "JAX"]


class JAX(AnyBackend):
    """The JAX backend."""

    def is_recorded(self, value: Any) -> bool:
        """Whether operations on this tensor are traced."""
        return isinstance(value, jax.core.Tracer)


BACKEND = JAX()
