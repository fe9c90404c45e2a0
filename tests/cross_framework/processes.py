"""Each implementation runs in a process of its own, so that threads, flags and Keras' one backend do not mix."""

import os
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from importlib import import_module
from multiprocessing import get_context
from typing import Any

from coverage import Coverage

IMPLEMENTATIONS = {
    "PyTorch": ("torch", {}),
    "Optax": ("jax", {"JAX_PLATFORMS": "cpu"}),
    "Keras on TensorFlow": ("keras", {"KERAS_BACKEND": "tensorflow"}),
    "Keras on JAX": ("keras", {"KERAS_BACKEND": "jax", "JAX_ENABLE_X64": "1"}),
    "Keras on PyTorch": ("keras", {"KERAS_BACKEND": "torch"}),
}


def call(implementation: str, module: str, function: str, *arguments: Any) -> Any:
    """Call ``module_X.function(*arguments)`` in the process of an implementation, X being its framework.

    The process is started at the first call and lives as long as this one.
    """
    framework, _ = IMPLEMENTATIONS[implementation]
    name = f"tests.cross_framework.{module}_{framework}"
    return _executor(implementation).submit(_call, name, function, arguments).result()


@cache
def _executor(implementation: str) -> ProcessPoolExecutor:
    _, environment = IMPLEMENTATIONS[implementation]
    return ProcessPoolExecutor(1, get_context("spawn"), _start, (environment,))


def _start(environment: dict[str, str]) -> None:
    os.environ.update(environment)
    # Tracing every line would slow the long runs, whose point is not coverage.
    if measurement := Coverage.current():
        measurement.stop()


def _call(module: str, function: str, arguments: tuple[Any, ...]) -> Any:
    return getattr(import_module(module), function)(*arguments)
