"""The frameworks whose arrays the core must run on unchanged."""

from collections.abc import Callable, Sequence
from typing import Any

import hypothesis
import numpy as np
import pytest

from experiments.lib.jax_releases import enable_x64

# No deadline: the machine may be busy. The same examples every time: a failure can be repeated.
hypothesis.settings.register_profile("core", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("core")

Function = Callable[..., Any]


def _on_python_numbers(function: Function, arguments: Sequence[Any]) -> list[Any]:
    """Element by element."""
    arrays = np.broadcast_arrays(*arguments)
    calls = [_leaves(function(*numbers)) for numbers in zip(*(a.ravel().tolist() for a in arrays), strict=True)]
    assert all(isinstance(leaf, int | float) for leaves in calls for leaf in leaves)
    return [np.reshape(values, arrays[0].shape) for values in zip(*calls, strict=True)]


def _on_numpy(function: Function, arguments: Sequence[Any]) -> list[Any]:
    return _leaves(function(*(np.asarray(a) for a in arguments)))


def _on_torch(function: Function, arguments: Sequence[Any]) -> list[Any]:
    import torch

    return [torch.as_tensor(leaf).numpy() for leaf in _leaves(function(*(torch.from_numpy(a) for a in arguments)))]


def _on_jax_tracers(function: Function, arguments: Sequence[Any]) -> list[Any]:
    import jax

    with enable_x64(True):
        return [np.asarray(leaf) for leaf in jax.jit(lambda *a: _leaves(function(*a)))(*arguments)]


def _on_tensorflow(function: Function, arguments: Sequence[Any]) -> list[Any]:
    import tensorflow as tf

    return [np.asarray(leaf) for leaf in _leaves(function(*(tf.constant(a) for a in arguments)))]


def _on_tensorflow_graph(function: Function, arguments: Sequence[Any]) -> list[Any]:
    import tensorflow as tf

    traced = tf.function(lambda *a: _leaves(function(*a)))
    return [np.asarray(leaf) for leaf in traced(*(tf.constant(a) for a in arguments))]


def _on_keras_tensors(function: Function, arguments: Sequence[Any]) -> list[Any]:
    """Symbolic ones: the function becomes a graph of Keras operations, which is then run."""
    import keras

    inputs = [keras.Input(batch_shape=a.shape, dtype=a.dtype.name) for a in arguments]
    leaves = _leaves(function(*inputs))
    symbolic = [leaf for leaf in leaves if isinstance(leaf, keras.KerasTensor)]
    computed = iter(keras.Function(inputs, symbolic)(list(arguments)))
    return [np.asarray(next(computed) if isinstance(leaf, keras.KerasTensor) else leaf) for leaf in leaves]


def _leaves(result: Any) -> list[Any]:
    return list(result) if isinstance(result, tuple) else [result]


_RUNNERS = {
    "python": _on_python_numbers,
    "numpy": _on_numpy,
    "torch": _on_torch,
    "jax": _on_jax_tracers,
    "tensorflow": _on_tensorflow,
    "tensorflow_graph": _on_tensorflow_graph,
    "keras": _on_keras_tensors,
}


@pytest.fixture(params=_RUNNERS)
def run_in_framework(request: pytest.FixtureRequest) -> Callable[[Function, Sequence[Any]], list[Any]]:
    """Calls a function of arrays with the arrays of one framework; its results as NumPy arrays."""
    return _RUNNERS[request.param]


@pytest.fixture
def namespace(request: pytest.FixtureRequest) -> Any:
    """The array namespace of the framework that `run_in_framework` runs in."""
    import jax.numpy as jnp
    import keras
    import torch

    name = request.node.callspec.params["run_in_framework"]
    return {"python": np, "numpy": np, "torch": torch, "jax": jnp}.get(name, keras.ops)


def _torch_array(values: Any) -> Any:
    import torch

    return torch.tensor(values, dtype=torch.float32)


def _jax_array(values: Any) -> Any:
    import jax.numpy as jnp

    return jnp.asarray(values, dtype="float32")


def _tensorflow_array(values: Any) -> Any:
    import tensorflow as tf

    return tf.constant(values, dtype="float32")


def _keras_variable(values: Any) -> Any:
    import keras

    return keras.Variable(np.asarray(values, dtype="float32"))


_MAKERS = {
    "numpy": lambda values: np.asarray(values, dtype="float32"),
    "torch": _torch_array,
    "jax": _jax_array,
    "tensorflow": _tensorflow_array,
    "keras": _keras_variable,
}


@pytest.fixture(params=_MAKERS)
def make_array(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    """Makes a float32 array of one framework from numbers."""
    return _MAKERS[request.param]
