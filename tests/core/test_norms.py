"""The norms against their definitions, against PyTorch's Adam and Adagrad, and as norms."""

import math
import re
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hypothesis_numpy

from indian_core import norms
from indian_core.norms import NORMS, NormCoefficients
from indian_core.norms.rmsprop import rmsprop

STEPS = 50

# Squares of smaller numbers are rounded more coarsely.
NUMBERS = st.floats(-1e3, 1e3).filter(lambda x: x == 0 or abs(x) > 1e-100)


def diagonals(name: str | None, gradients: np.ndarray, decay: float = 0.9, epsilon: float = 1e-3) -> np.ndarray:
    """A after each of the gradients."""
    accumulator, found = np.zeros_like(gradients[0]), []
    for count, gradient in enumerate(gradients, start=1):
        coefficients = norms.norm_coefficients(name, count, decay, epsilon)
        accumulator = norms.accumulate(accumulator, gradient, coefficients)
        found.append(norms.scale(accumulator, coefficients))
    return np.array(found)


@pytest.fixture
def gradients() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(STEPS, 7)) * np.logspace(-3, 3, 7)


def test_rmsprop_is_a_mean_of_all_squares_with_weights_that_sum_to_one(gradients: np.ndarray) -> None:
    decay, epsilon = 0.9, 1e-3
    for k, diagonal in enumerate(diagonals("rmsprop", gradients, decay, epsilon), start=1):
        weights = decay ** np.arange(k)[::-1]
        mean = (weights / weights.sum()) @ gradients[:k] ** 2
        np.testing.assert_allclose(diagonal, np.sqrt(mean) + epsilon, rtol=1e-13)


def test_adagrad_is_the_sum_of_all_squares(gradients: np.ndarray) -> None:
    expected = np.sqrt(np.cumsum(gradients**2, axis=0)) + 1e-3
    np.testing.assert_allclose(diagonals("adagrad", gradients), expected, rtol=1e-13)


def test_the_euclidean_norm_is_one_whatever_the_gradients(gradients: np.ndarray) -> None:
    np.testing.assert_array_equal(diagonals(None, gradients), 1.0)


@pytest.mark.parametrize(
    ("name", "peer"),
    [
        ("rmsprop", lambda p: torch.optim.Adam(p, lr=1.0, betas=(0.0, 0.9), eps=1e-3)),
        ("adagrad", lambda p: torch.optim.Adagrad(p, lr=1.0, eps=1e-3)),
    ],
)
def test_the_preconditioned_gradient_is_the_step_of_the_optimizer_of_that_name(
    name: str, peer: Any, gradients: np.ndarray
) -> None:
    theta = torch.zeros(7, dtype=torch.float64)
    optimizer = peer([theta])
    steps = [norms.preconditioned(*pair) for pair in zip(gradients, diagonals(name, gradients), strict=True)]
    for gradient, step in zip(gradients, steps, strict=True):
        before = theta.clone()
        theta.grad = torch.from_numpy(gradient)
        optimizer.step()
        np.testing.assert_allclose(before - theta, step, rtol=1e-11)


@pytest.mark.parametrize("name", [None, *NORMS])
def test_a_norm_with_a_bare_root_gives_the_same(name: str | None, gradients: np.ndarray) -> None:
    accumulator = np.zeros(7)
    for count, gradient in enumerate(gradients, start=1):
        coefficients = norms.norm_coefficients(name, count, 0.9, 1e-3)
        accumulator = norms.accumulate(accumulator, gradient, coefficients)
        root = norms.bare_root(coefficients)
        divisor = 1.0 if name is None else np.sqrt(accumulator) + root.epsilon
        expected = gradient / norms.scale(accumulator, coefficients)
        np.testing.assert_allclose(root.multiple * gradient / divisor, expected, rtol=1e-13)


@given(
    arrays=hypothesis_numpy.arrays(np.float64, (3, 5), elements=NUMBERS),
    diagonal=hypothesis_numpy.arrays(np.float64, 5, elements=st.floats(1e-3, 1e3)),
    factor=NUMBERS,
)
def test_norm_and_dual_norm_are_norms_and_dual(arrays: np.ndarray, diagonal: np.ndarray, factor: float) -> None:
    x, y, g = arrays
    norm, dual = norms.norm(x, diagonal), norms.dual_norm(g, diagonal)
    slack = 1 + 1e-12
    assert norms.norm(x + y, diagonal) <= (norm + norms.norm(y, diagonal)) * slack
    assert norms.norm(factor * x, diagonal) == pytest.approx(abs(factor) * norm, rel=1e-12)
    assert norms.inner_product(x, y, diagonal) == norms.inner_product(y, x, diagonal)
    assert abs(norms.inner_product(g, x)) <= dual * norm * slack + 1e-300
    # The bound is reached along A⁻¹g, which is as long in the norm as g in the dual norm.
    steepest = norms.preconditioned(g, diagonal)
    assert norms.norm(steepest, diagonal) == pytest.approx(dual, rel=1e-12)
    assert norms.inner_product(g, steepest) == pytest.approx(dual**2, rel=1e-12)


@pytest.mark.parametrize("decay", [0.0, 0.9, 0.999, 1 - 1e-12])
@pytest.mark.parametrize("count", [1, 2, 1000, 10**9])
def test_the_bias_is_taken_out_to_rounding_in_every_dtype(decay: float, count: int) -> None:
    exact = 1.0 if decay == 0 else -math.expm1(count * math.log(decay))
    assert rmsprop(count, decay, 1e-8).root == pytest.approx(exact**-0.5, rel=1e-14)
    if 0 < decay < 0.9999:
        root = rmsprop(np.float32(count), decay, 1e-8).root
        assert root == pytest.approx(exact**-0.5, rel=1e-6)


@pytest.mark.parametrize("name", [None, *NORMS])
def test_the_same_in_every_framework(name: str | None, run_in_framework: Any, namespace: Any) -> None:
    def two_steps(first: Any, second: Any, xp: Any = namespace) -> Any:
        accumulator = 0.0 * first
        for count, gradient in ((1, first), (2, second)):
            coefficients = norms.norm_coefficients(name, count, 0.9, 1e-3)
            accumulator = norms.accumulate(accumulator, gradient, coefficients)
            last = norms.preconditioned(gradient, norms.scale(accumulator, coefficients, xp))
        return accumulator, last

    arguments = np.array([1.5, -2.0, 0.0]), np.array([-0.5, 1e3, 1e-3])
    for actual, expected in zip(run_in_framework(two_steps, arguments), two_steps(*arguments, np), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-12)


def test_coefficients_of_traced_counts_and_decays(run_in_framework: Any, namespace: Any) -> None:
    def root(count: Any, decay: Any, xp: Any = namespace) -> Any:
        return rmsprop(count, decay, 1e-8, xp).root

    arguments = np.array([1.0, 2.0, 1e6]), np.array([0.9, 0.999, 0.99])
    np.testing.assert_allclose(run_in_framework(root, arguments)[0], root(*arguments, np), rtol=1e-12)


def test_coefficients_are_python_numbers_where_the_arguments_are() -> None:
    for name in (None, *NORMS):
        coefficients = norms.norm_coefficients(name, 3, 0.9, 1e-8)
        assert isinstance(coefficients, NormCoefficients)
        assert {type(value) for value in coefficients} == {float}


@pytest.mark.parametrize("name", ["shampoo", "RMSProp", ""])
def test_a_name_that_is_in_no_table_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"norm must be 'rmsprop', 'adagrad' or None, got {name!r}")):
        norms.norm_coefficients(name, 1, 0.9, 1e-8)


@pytest.mark.parametrize("name", NORMS)
def test_the_table_says_what_the_coefficients_depend_on(name: str) -> None:
    norm = NORMS[name]
    one, later, forgetful = (norm.coefficients(*numbers, 1e-8, np) for numbers in ((1, 0.9), (2, 0.9), (1, 0.5)))
    assert norm.depends_on_count == (one != later)
    assert norm.depends_on_decay == (one != forgetful)
