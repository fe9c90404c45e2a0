"""A step of one variable on JAX: that of any backend. Imported on that backend alone."""

from collections.abc import Sequence
from typing import Any

import jax

from indian_tf._step.any_backend import AnyBackend

__all__ = ["BACKEND", "JAX"]


class JAX(AnyBackend):
    """The JAX backend."""

    def kept_values(self, variables: Sequence[Any], *, may_copy: bool) -> list[Any]:
        """The values of variables. An assignment leaves the old array as it is, so this costs no copy."""
        del may_copy
        return [variable.value for variable in variables]

    def is_recorded(self, value: Any) -> bool:
        """Whether operations on this tensor are traced."""
        return isinstance(value, jax.core.Tracer)


BACKEND = JAX()
