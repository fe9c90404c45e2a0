"""Each implementation runs in a process of its own, so that threads, flags and Keras' one backend do not mix."""

from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from typing import Any

from coverage import Coverage

from tests.processes import start_worker

IMPLEMENTATIONS = {
    "PyTorch": ("torch", {}),
    "Optax": ("jax", {"JAX_PLATFORMS": "cpu"}),
    "Keras on TensorFlow": ("keras", {"KERAS_BACKEND": "tensorflow"}),
    "Keras on JAX": ("keras", {"KERAS_BACKEND": "jax", "JAX_ENABLE_X64": "1"}),
    "Keras on PyTorch": ("keras", {"KERAS_BACKEND": "torch"}),
}

_workers: dict[str, ProcessPoolExecutor] = {}


def call(implementation: str, module: str, function: str, *arguments: Any) -> Any:
    """Call ``module_X.function(*arguments)`` in the process of an implementation, X being its framework.

    The process is started at the first call and lives until `end_processes`.
    """
    framework, environment = IMPLEMENTATIONS[implementation]
    if implementation not in _workers:
        _workers[implementation] = start_worker(environment)
    name = f"tests.cross_framework.{module}_{framework}"
    return _workers[implementation].submit(_call, name, function, arguments).result()


def end_processes() -> None:
    """End all processes that `call` has started."""
    while _workers:
        _, worker = _workers.popitem()
        worker.shutdown(cancel_futures=True)


def _call(module: str, function: str, arguments: tuple[Any, ...]) -> Any:
    # Tracing every line would slow the long runs, whose point is not coverage.
    if measurement := Coverage.current():
        measurement.stop()
    return getattr(import_module(module), function)(*arguments)
