"""The backends by Keras' name for them."""

import importlib
from typing import Final

from indian_tf._step.any_backend import AnyBackend

__all__ = ["backend_named"]

_MODULES: Final = {
    "tensorflow": "indian_tf._step.tensorflow",
    "jax": "indian_tf._step.jax",
    "torch": "indian_tf._step.torch",
    "numpy": "indian_tf._step.any_backend",
}
"""Each module holds its backend as `BACKEND`, and is imported only where Keras runs on that backend."""


def backend_named(name: str) -> AnyBackend:
    """The backend of that name.

    Args:
        name: As from `keras.backend.backend`.

    Raises:
        ImportError: There is no backend of that name.

    Example:
        >>> backend_named("theano")
        Traceback (most recent call last):
        ...
        ImportError: indian_tf needs one of Keras' backends tensorflow, jax, torch, numpy, got theano
    """
    if name not in _MODULES:
        raise ImportError(f"indian_tf needs one of Keras' backends {', '.join(_MODULES)}, got {name}")
    backend: AnyBackend = importlib.import_module(_MODULES[name]).BACKEND
    return backend
