"""A small ReLU network on handwritten digits, whose gradients each framework computes itself.

64 inputs, 32 hidden units, 10 classes, mean cross-entropy over mini-batches of 64. Parameters: the two kernels, of
shapes (inputs, outputs), and biases, in the order kernel, bias, kernel, bias.
"""

from dataclasses import dataclass, replace

import numpy as np
from sklearn.datasets import load_digits

from indian_core.dynamics import phase_from_velocity
from indian_core.reference import PhaseForm
from indian_core.schedules import Constant, LogarithmicDecay, PowerDecay, Schedule
from tests.cross_framework.cases import Hyperparameters, Run

_DIGITS = load_digits()
_BATCH_SIZE = 64


@dataclass(frozen=True)
class NetworkCase:
    """One training run, in float64."""

    schedule: Schedule
    hyperparameters: Hyperparameters
    steps: int = 1_000
    problem: str = "ReLU network"

    def first_steps(self, steps: int) -> "NetworkCase":
        """The same with at most so many steps."""
        return replace(self, steps=min(steps, self.steps))

    def __str__(self) -> str:
        return f"{type(self.schedule).__name__}-{self.hyperparameters}"


NETWORK_CASES = [
    NetworkCase(Constant(0.1), Hyperparameters(0.5, 0.1)),
    NetworkCase(PowerDecay(0.2, 0.25), Hyperparameters(0.5, 0.5, 0.5, 0.01)),
    NetworkCase(PowerDecay(0.2, 0.5, warmup_steps=50), Hyperparameters(1.3, 0.1, 0.0)),
    NetworkCase(LogarithmicDecay(0.05, 1.5), Hyperparameters(2.0, 2.0)),
    NetworkCase(Constant(1e-3), Hyperparameters(0.1, 0.9, None, 0.01, "rmsprop")),
    NetworkCase(PowerDecay(0.02, 0.25), Hyperparameters(0.5, 0.1, 1.0, 0.0, "adagrad")),
]


def initial_parameters() -> list[np.ndarray]:
    """The initial parameters, after He's rule."""
    random = np.random.default_rng(0)
    return [
        random.normal(scale=np.sqrt(2 / 64), size=(64, 32)),
        np.zeros(32),
        random.normal(scale=np.sqrt(2 / 32), size=(32, 10)),
        np.zeros(10),
    ]


def batch(k: int) -> tuple[np.ndarray, np.ndarray]:
    """Inputs of shape (64, 64), and classes of shape (64,), of step k."""
    chosen = (np.arange(_BATCH_SIZE) + k * _BATCH_SIZE) % len(_DIGITS.data)
    return _DIGITS.data[chosen] / 16, _DIGITS.target[chosen]


def gradient(parameters: list[np.ndarray], k: int) -> list[np.ndarray]:
    """The gradient for step k, by hand."""
    inputs, classes = batch(k)
    kernel, bias, last_kernel, last_bias = parameters
    hidden = np.maximum(inputs @ kernel + bias, 0)
    logits = hidden @ last_kernel + last_bias
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    error = exponentials / exponentials.sum(axis=1, keepdims=True)
    error[np.arange(len(classes)), classes] -= 1
    error /= len(classes)
    hidden_error = (error @ last_kernel.T) * (hidden > 0)
    return [inputs.T @ hidden_error, hidden_error.sum(axis=0), hidden.T @ error, error.sum(axis=0)]


def network_oracle(case: NetworkCase) -> Run:
    """The run in phase form, in NumPy."""
    forms = [PhaseForm(array, **case.hyperparameters._asdict()) for array in initial_parameters()]
    thetas, phases = [], []
    for k in range(case.steps):
        for form, array in zip(forms, gradient([form.theta for form in forms], k), strict=True):
            form.step(array, case.schedule(k))
        thetas.append(flatten([form.theta for form in forms]))
        phases.append(flatten([form.phase for form in forms]))
    return Run(np.stack(thetas), np.stack(phases))


def run_of(case: NetworkCase, thetas: list[np.ndarray], velocities: list[np.ndarray]) -> Run:
    """The run of an implementation that keeps velocities, from its flattened iterates."""
    theta, velocity = np.stack(thetas), np.stack(velocities)
    return Run(theta, phase_from_velocity(theta, velocity, case.hyperparameters.alpha, case.hyperparameters.beta))


def flatten(arrays: list[np.ndarray]) -> np.ndarray:
    """All entries in one new vector."""
    return np.concatenate([np.ravel(array) for array in arrays])
