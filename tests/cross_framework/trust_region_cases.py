"""Runs of the trust region: the problems in NumPy, with their curvature by hand, and the reference to compare with."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import scipy.optimize
from sklearn.datasets import load_digits

from indian_core.trust_region import Report, reference

FloatArrays = list[np.ndarray]

EXACT = ("accepted", "iterations", "termination", "negative_curvature", "within_rounding", "backpropagations")
"""Fields of a report that are the same in every framework."""

CLOSE = ("loss", "trial_loss", "model_decrease", "radius", "gradient_norm", "step_norm")
"""Fields that are the same up to rounding errors."""


@dataclass(frozen=True)
class TrustRegionCase:
    """One run, in float64.

    Attributes:
        problem: A key of `PROBLEMS`.
        hyperparameters: Those that are not the default.
        steps: So many that the loss has not come down to its rounding error.
    """

    problem: str
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    steps: int = 20

    def __str__(self) -> str:
        return f"{self.problem}-{','.join(f'{value}' for value in self.hyperparameters.values())}"


class TrustRegionRun(NamedTuple):
    """The iterates and reports of one run.

    Attributes:
        theta: w after each step, of shape (steps, size of w).
        reports: The fields of the reports, each of shape (steps,).
    """

    theta: np.ndarray
    reports: dict[str, np.ndarray]


def run_of(thetas: list[np.ndarray], reports: list[Report]) -> TrustRegionRun:
    """The run from its flattened iterates and the report of each step."""
    fields = {name: np.array([np.asarray(getattr(r, name)) for r in reports]) for name in EXACT + CLOSE}
    return TrustRegionRun(np.stack(thetas), fields)


class Problem(NamedTuple):
    """A function to minimize.

    Attributes:
        start: The initial parameters, a list of arrays.
        fun: The loss, of one vector of all parameters.
        grad: Its gradient.
        products: Products with its curvature, by the name of the curvature.
    """

    start: FloatArrays
    fun: Callable[[np.ndarray], Any]
    grad: Callable[[np.ndarray], np.ndarray]
    products: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]]


def oracle(case: TrustRegionCase) -> TrustRegionRun:
    """The run in NumPy."""
    problem = PROBLEMS[case.problem]
    start = np.concatenate([array.ravel() for array in problem.start])
    product = problem.products[case.hyperparameters.get("curvature", "hessian")]
    run = reference.minimize(problem.fun, problem.grad, product, start, steps=case.steps, **case.hyperparameters)
    return run_of(list(run.theta[1:]), run.reports)


_DIGITS = load_digits()

INPUTS = _DIGITS.data[:100] / 16
CLASSES = _DIGITS.target[:100]
_SHAPES = [(64, 6), (6,), (6, 10), (10,)]


def _unflatten(vector: np.ndarray) -> FloatArrays:
    sizes = np.cumsum([int(np.prod(shape)) for shape in _SHAPES])
    return [part.reshape(shape) for part, shape in zip(np.split(vector, sizes[:-1]), _SHAPES, strict=True)]


def _forward(theta: np.ndarray) -> tuple[FloatArrays, np.ndarray, np.ndarray, np.ndarray]:
    """The parameters, the hidden layer, the probabilities, and the gradient with respect to the logits."""
    kernel, bias, last_kernel, last_bias = _unflatten(theta)
    hidden = np.tanh(INPUTS @ kernel + bias)
    logits = hidden @ last_kernel + last_bias
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
    error = (probabilities - np.eye(10)[CLASSES]) / len(CLASSES)
    return [kernel, bias, last_kernel, last_bias], hidden, probabilities, error


def _backward(parameters: FloatArrays, hidden: np.ndarray, error: np.ndarray) -> np.ndarray:
    inner = (error @ parameters[2].T) * (1 - hidden**2)
    parts = [INPUTS.T @ inner, inner.sum(axis=0), hidden.T @ error, error.sum(axis=0)]
    return np.concatenate([part.ravel() for part in parts])


def _network_loss(theta: np.ndarray) -> Any:
    _, _, probabilities, _ = _forward(theta)
    return -np.mean(np.log(probabilities[np.arange(len(CLASSES)), CLASSES]))


def _network_gradient(theta: np.ndarray) -> np.ndarray:
    parameters, hidden, _, error = _forward(theta)
    return _backward(parameters, hidden, error)


def _network_product(theta: np.ndarray, vector: np.ndarray, *, gauss_newton: bool) -> np.ndarray:
    """Everything in the gradient, differentiated along the vector; or the derivative of the error alone."""
    parameters, hidden, probabilities, error = _forward(theta)
    along = _unflatten(vector)
    hidden_along = (1 - hidden**2) * (INPUTS @ along[0] + along[1])
    logits_along = hidden_along @ parameters[2] + hidden @ along[2] + along[3]
    mean = np.sum(probabilities * logits_along, axis=1, keepdims=True)
    error_along = probabilities * (logits_along - mean) / len(CLASSES)
    product = _backward(parameters, hidden, error_along)
    if gauss_newton:
        return product
    back = error @ parameters[2].T
    inner_along = (error @ along[2].T) * (1 - hidden**2) - 2 * back * hidden * hidden_along
    last = hidden_along.T @ error
    parts = [INPUTS.T @ inner_along, inner_along.sum(axis=0), last, np.zeros(10)]
    return product + np.concatenate([part.ravel() for part in parts])


def _network_start() -> FloatArrays:
    random = np.random.default_rng(0)
    return [random.normal(scale=1 / np.sqrt(shape[0]), size=shape) for shape in _SHAPES]


PROBLEMS = {
    "Rosenbrock": Problem(
        [1 + np.linspace(-0.6, 0.9, 6)],
        scipy.optimize.rosen,
        scipy.optimize.rosen_der,
        {"hessian": scipy.optimize.rosen_hess_prod, "none": lambda w, v: np.zeros_like(v)},
    ),
    # From the ridge y = 0, where the gradient never points away from it, minima are at y² = 1/2.
    "saddle": Problem(
        [np.array([1.0, 0.0])],
        lambda w: w[0] ** 2 - w[1] ** 2 + w[1] ** 4,
        lambda w: np.array([2 * w[0], -2 * w[1] + 4 * w[1] ** 3]),
        {"hessian": lambda w, v: np.array([2 * v[0], (-2 + 12 * w[1] ** 2) * v[1]])},
    ),
    "network": Problem(
        _network_start(),
        _network_loss,
        _network_gradient,
        {
            "hessian": partial(_network_product, gauss_newton=False),
            "gauss_newton": partial(_network_product, gauss_newton=True),
        },
    ),
}

_WIDE = {"radius": 0.1, "max_radius": 100.0, "expand_factor": 2.0}

CASES = [
    *(
        TrustRegionCase("Rosenbrock", {"subproblem": subproblem, "norm": norm, **_WIDE}, 18)
        for subproblem in ("steihaug", "lanczos")
        for norm in (None, "rmsprop", "adagrad")
    ),
    TrustRegionCase("Rosenbrock", {"curvature": "none", "norm": "adagrad", **_WIDE}, 60),
    TrustRegionCase("Rosenbrock", {"curvature": "none", "norm": "rmsprop"}, 60),
    TrustRegionCase("saddle", {"subproblem": "lanczos", "norm": None, **_WIDE}, 8),
    TrustRegionCase("network", {"curvature": "hessian", "norm": "rmsprop", **_WIDE}, 12),
    TrustRegionCase("network", {"curvature": "hessian", "subproblem": "lanczos", **_WIDE, "max_iterations": 10}, 10),
    TrustRegionCase("network", {"curvature": "gauss_newton", "norm": "adagrad", **_WIDE}, 20),
]
