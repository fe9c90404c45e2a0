"""A step of one variable on JAX: that of any backend. Imported on that backend alone."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import jax

from indian_tf._step.any_backend import AnyBackend

__all__ = ["BACKEND", "JAX"]


class JAX(AnyBackend):
    """The JAX backend."""

    @contextmanager
    def all_or_nothing(self, variables: Sequence[Any]) -> Iterator[None]:
        """In the context, an error puts variables back to their values, such as one of ``jax_debug_nans``."""
        # An assignment leaves the old array as it is.
        before = [variable.value for variable in variables]
        try:
            yield
        except BaseException:
            for variable, value in zip(variables, before, strict=True):
                variable.assign(value)
            raise

    def is_recorded(self, value: Any) -> bool:
        """Whether operations on this tensor are traced."""
        return isinstance(value, jax.core.Tracer)


BACKEND = JAX()
