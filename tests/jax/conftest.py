"""Shared helpers: one quadratic problem for NumPy and JAX alike, and a loop that keeps every iterate."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from experiments.lib.jax_releases import enable_x64


class Quadratic(NamedTuple):
    """A convex quadratic, ½ Σ c (θ − θ*)²; its gradient takes NumPy and JAX arrays."""

    curvature: np.ndarray
    minimum: np.ndarray
    start: np.ndarray

    def gradient(self, theta: Any, k: Any = 0) -> Any:
        return self.curvature * (theta - self.minimum)


class Run(NamedTuple):
    """θ_1 … θ_n and the states after each step, stacked along the first axis."""

    params: Any
    states: Any


@pytest.fixture
def x64() -> Iterator[None]:
    with enable_x64(True):
        yield


@pytest.fixture
def quadratic() -> Quadratic:
    return Quadratic(
        curvature=np.array([1.0, 10.0, 100.0]), minimum=np.array([1.0, 2.0, -1.0]), start=np.array([1.0, -1.0, 3.0])
    )


@pytest.fixture
def run() -> Callable[..., Run]:
    """Run a transformation under jit and scan: run(tx, gradient, params, steps)."""

    def run(
        tx: optax.GradientTransformation, gradient: Callable[[Any], Any], params: Any, steps: int, state: Any = None
    ) -> Run:
        def step(carry: Any, _: None) -> Any:
            params, state = carry
            updates, state = tx.update(gradient(params), state, params)
            params = optax.apply_updates(params, updates)
            return (params, state), Run(params, state)

        state = tx.init(params) if state is None else state
        return jax.jit(lambda carry: jax.lax.scan(step, carry, length=steps)[1])((params, state))

    return run


@pytest.fixture
def last() -> Callable[[Any], Any]:
    """The last entry of every array of a tree."""
    return lambda tree: jax.tree.map(lambda array: array[-1], tree)


@pytest.fixture
def relative_difference() -> Callable[..., float]:
    """Largest difference of two arrays, relative to the largest number in ``scale``, by default in ``expected``."""

    def relative_difference(actual: Any, expected: Any, scale: Any = None) -> float:
        actual, expected = np.asarray(actual), np.asarray(expected)
        assert actual.shape == expected.shape
        return float(np.max(np.abs(actual - expected)) / np.max(np.abs(expected if scale is None else scale)))

    return relative_difference


@pytest.fixture
def assert_trees_equal() -> Callable[[Any, Any], None]:
    """Assert that two trees have the same structure, dtypes and bits."""

    def assert_trees_equal(actual: Any, expected: Any) -> None:
        assert jax.tree.structure(actual) == jax.tree.structure(expected)
        for left, right in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
            assert jnp.asarray(left).dtype == jnp.asarray(right).dtype
            np.testing.assert_array_equal(left, right)

    return assert_trees_equal


def _in_numpy(array: Any) -> np.ndarray:
    """An array that NumPy can compare with others; older releases have no arithmetic for bfloat16."""
    array = jnp.asarray(array)
    return np.asarray(array.astype(jnp.float32) if array.dtype == jnp.bfloat16 else array)


@pytest.fixture
def assert_trees_close() -> Callable[..., None]:
    """Assert that two trees have the same structure and nearly the same numbers."""

    def assert_trees_close(actual: Any, expected: Any, rtol: float = 1e-5, atol: float = 1e-6) -> None:
        assert jax.tree.structure(actual) == jax.tree.structure(expected)
        for left, right in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
            np.testing.assert_allclose(_in_numpy(left), _in_numpy(right), rtol=rtol, atol=atol)

    return assert_trees_close
