"""The functions minimized: a start and a gradient in NumPy float64, the same function for every framework.

Parameters are a list of two arrays, so that they can be put into groups and join late.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from sklearn.datasets import load_digits

Arrays = list[np.ndarray]


class Problem(NamedTuple):
    """A function to minimize.

    Attributes:
        start: The initial parameters.
        gradient: Its gradient at given parameters, for step k.
        step_size: A step size at which INDIAN is stable for every (α, β) of the suite.
    """

    start: Arrays
    gradient: Callable[[Arrays, int], Arrays]
    step_size: float


def _nonsmooth(parameters: Arrays, k: int) -> Arrays:
    """100(θ₂ − |θ₁|)² + |1 − θ₁|, the paper's Figure 1."""
    first, second = parameters
    valley = second - np.abs(first)
    return [-200 * valley * np.sign(first) - np.sign(1 - first), 200 * valley]


_CURVATURES = [np.array([1.0, 0.1, 1e-2]), np.array([[0.5, 1e-3], [0.05, 1e-4]])]
_MINIMIZERS = [np.array([1.0, -2.0, 3.0]), np.array([[-1.0, 2.0], [0.5, 4.0]])]


def _quadratic(parameters: Arrays, k: int) -> Arrays:
    """½Σλᵢ(θᵢ − θᵢ*)², with curvatures from 1 to 1e-4."""
    return [c * (p - m) for c, p, m in zip(_CURVATURES, parameters, _MINIMIZERS, strict=True)]


def _rosenbrock(parameters: Arrays, k: int) -> Arrays:
    """100(y − x²)² + (1 − x)²."""
    x, y = parameters
    return [-400 * x * (y - x * x) - 2 * (1 - x), 200 * (y - x * x)]


_DIGITS = load_digits()
_INPUTS = _DIGITS.data / 16
_IS_ODD = _DIGITS.target % 2


def _logistic_regression(parameters: Arrays, k: int) -> Arrays:
    """Is a handwritten digit odd? Mini-batches of 32, a little regularized."""
    weights, bias = parameters
    batch = slice(32 * (k % 50), 32 * (k % 50) + 32)
    inputs = _INPUTS[batch]
    error = 1 / (1 + np.exp(-(inputs @ weights + bias))) - _IS_ODD[batch]
    return [inputs.T @ error / 32 + 1e-3 * weights, np.mean(error)]


PROBLEMS = {
    "nonsmooth": Problem([np.array([-1.0]), np.array([1.5])], _nonsmooth, 1e-4),
    "quadratic": Problem([np.zeros(3), np.ones((2, 2))], _quadratic, 0.2),
    "Rosenbrock": Problem([np.array([-1.2]), np.array([1.0])], _rosenbrock, 2e-4),
    "logistic regression": Problem([np.zeros(64), np.array(0.5)], _logistic_regression, 0.1),
}
