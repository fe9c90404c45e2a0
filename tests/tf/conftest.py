"""The tests of this folder run on the Keras backend that KERAS_BACKEND names; a process has only one.

`test_other_backends.py` runs them again on each of the others.
"""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import pytest

from indian_core.reference import PhaseForm

BACKEND = keras.backend.backend()

# Files about what only one backend has.
collect_ignore = [f"test_only_{backend}.py" for backend in ("tensorflow", "jax", "torch") if backend != BACKEND]


def pytest_configure(config: pytest.Config) -> None:
    # Keras does not know the `copy` argument of NumPy 2 yet.
    config.addinivalue_line("filterwarnings", "ignore:__array__ implementation doesn't accept:DeprecationWarning")
    # Known where pytest-xdist is, which the run on another backend leaves out.
    config.addinivalue_line("markers", "xdist_group(name): tests that share what is expensive to make")


def pytest_report_header() -> str:
    return f"keras backend: {BACKEND}"


@pytest.fixture(autouse=True)
def _same_seed() -> None:
    keras.utils.set_random_seed(0)


@pytest.fixture
def float64() -> Iterator[None]:
    """Double precision: Keras keeps the learning rate in floatx, and JAX knows no float64 unless asked."""
    previous = keras.config.floatx()
    keras.config.set_floatx("float64")
    if BACKEND == "jax":
        import jax

        jax.config.update("jax_enable_x64", True)
    yield
    keras.config.set_floatx(previous)
    if BACKEND == "jax":
        jax.config.update("jax_enable_x64", False)


@pytest.fixture
def tensor() -> Callable[..., Any]:
    """A tensor of the backend from an array, in floatx unless a dtype is given."""

    def make(array: Any, dtype: str | None = None) -> Any:
        return keras.ops.convert_to_tensor(np.asarray(array), dtype or keras.config.floatx())

    return make


@pytest.fixture
def apply(tensor: Callable[..., Any]) -> Callable[..., None]:
    """One step of an optimizer, from NumPy gradients; None is a variable without a gradient."""

    def step(optimizer: Any, gradients: list[Any], variables: list[Any]) -> None:
        tensors = [
            None if gradient is None else tensor(gradient, keras.backend.standardize_dtype(variable.dtype))
            for gradient, variable in zip(gradients, variables, strict=True)
        ]
        optimizer.apply(tensors, variables)

    return step


@pytest.fixture
def gradient() -> Callable[[np.ndarray, int], np.ndarray]:
    """The gradient of an ill-conditioned quadratic, with noise of its own for each step."""

    def evaluate(theta: np.ndarray, k: int) -> np.ndarray:
        curvature = np.logspace(0, -2, theta.size).reshape(theta.shape)
        noise = np.sin(np.arange(theta.size) + 3.0 * k).reshape(theta.shape)
        return curvature * theta + 0.1 * noise

    return evaluate


@pytest.fixture
def assert_follows_reference(apply: Callable[..., None], gradient: Callable[..., Any]) -> Callable[..., None]:
    """Run an optimizer and the phase form of the paper from the same start; θ and ψ agree at every step."""

    def compare(
        optimizer: Any,
        *,
        step_size: Callable[[int], float] | float,
        steps: int = 25,
        rtol: float = 1e-12,
        **hyperparameters: Any,
    ) -> None:
        reference = PhaseForm(np.array([1.0, -2.0, 0.5]), **hyperparameters)
        variable = keras.Variable(reference.theta, dtype=keras.config.floatx())
        for k in range(steps):
            apply(optimizer, [gradient(keras.ops.convert_to_numpy(variable), k)], [variable])
            reference.step(gradient(reference.theta, k), step_size(k) if callable(step_size) else step_size)
            for actual, expected in [(variable, reference.theta), (optimizer.phase(variable), reference.phase)]:
                error = np.abs(keras.ops.convert_to_numpy(actual) - expected).max()
                assert error <= rtol * np.abs(expected).max(), f"step {k}: {error}"

    return compare


@pytest.fixture
def data() -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets of a small regression."""
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(32, 4)).astype("float32")
    return inputs, np.tanh(inputs @ generator.normal(size=(4, 1))).astype("float32")


@pytest.fixture
def new_model() -> Callable[..., Any]:
    """A small network, the same initial weights each time it is called."""

    def make(**dense: Any) -> Any:
        keras.utils.set_random_seed(0)
        return keras.Sequential(
            [keras.Input((4,)), keras.layers.Dense(8, activation="tanh", **dense), keras.layers.Dense(1)]
        )

    return make
