"""A regression with ReLU units whose D-critical points are known, a spurious one among them.

The prediction of the network for an input x with two coordinates is relu(θ₁x₁) + relu(θ₂x₂). For each coordinate there
are four samples, whose other coordinate is 0: x = 1 with the labels 2 and −1, and x = −1 with the labels −2 and 1. With
half the squared error, in one coordinate θ:

- for θ > 0 the samples with x = 1 count, with slopes θ − 2 and θ + 1: together 2θ − 1;
- for θ < 0 those with x = −1 count, with slopes θ − 2 and θ + 1 again: together 2θ − 1.

So J is the quadratic θ² − θ plus a constant, smooth everywhere, with slope −1 at 0, and ½ is its only critical point,
in the sense of Clarke too. But each sample has a kink at 0: their Clarke subdifferentials there are [−2, 0], [0, 1],
[−2, 0] and [0, 1], whose sum D J(0) = [−4, 2] has 0 in it. Elsewhere D J is the slope. Thus the D-critical points are 0
and ½ in each coordinate: four points in all, three of them spurious. Backpropagation, for which relu′(0) = 0, finds at
0 the gradient 0 for every batch.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from indian_core.dynamics import velocity_from_phase
from indian_core.reference import PhaseForm
from indian_core.schedules import Schedule

__all__ = ["CRITICAL", "D_CRITICAL", "SHARE", "Path", "batch_gradient", "clarke_intervals", "follow", "loss", "subsets"]

INPUTS: Final = np.array([1.0, 1.0, -1.0, -1.0])
LABELS: Final = np.array([2.0, -1.0, -2.0, 1.0])
CRITICAL: Final = 0.5
D_CRITICAL: Final = (0.0, 0.5)
"""In each coordinate."""

SAMPLES: Final = 2 * len(INPUTS)
SUBSETS: Final = 2**SAMPLES
SHARE: Final = (SUBSETS / 2) / (SUBSETS - 1)
"""Of the batches, nonempty subsets with equal probability, that hold a sample; the mean of J_B is this times J."""


def loss(theta: np.ndarray) -> np.ndarray:
    """J, the sum over all samples, of points of the shape (…, 2)."""
    residuals = np.maximum(theta[..., None] * INPUTS, 0) - LABELS
    return (residuals**2).sum(axis=(-2, -1)) / 2


def batch_gradient(theta: np.ndarray, batch: np.ndarray) -> np.ndarray:
    """The gradient of J_B, the sum over a batch, as backpropagation finds it.

    Args:
        theta: Of shape (…, 2).
        batch: Which samples are in it, of shape (…, 2, 4).

    Example:
        >>> batch_gradient(np.array([0.5, 0.0]), np.ones((2, 4)))
        array([0., 0.])
    """
    activation = theta[..., None] * INPUTS
    slopes = np.where(activation > 0, (activation - LABELS) * INPUTS, 0.0)
    return (batch * slopes).sum(axis=-1)


def clarke_intervals(theta: float) -> np.ndarray:
    """The Clarke subdifferentials of the four samples of a coordinate, as rows (low, high). D J is their sum.

    Example:
        >>> clarke_intervals(0.0).sum(axis=0)
        array([-4.,  2.])
    """
    slopes = (np.maximum(theta * INPUTS, 0) - LABELS) * INPUTS
    off, on = np.where(theta * INPUTS >= 0, slopes, 0.0), np.where(theta * INPUTS > 0, slopes, 0.0)
    return np.sort(np.stack([off, on], axis=1), axis=1)


def subsets(generator: np.random.Generator, runs: int) -> np.ndarray:
    """A nonempty subset of the samples for each run, all with the same probability, of shape (runs, 2, 4)."""
    numbers = generator.integers(1, SUBSETS, runs, dtype=np.int64)
    return (numbers[:, None] >> np.arange(SAMPLES) & 1).reshape(runs, 2, -1).astype(float)


class Path(NamedTuple):
    """Some of the points of several runs.

    Attributes:
        steps: k.
        theta: Of shape (points, runs, 2).
        velocity: m, likewise.
    """

    steps: np.ndarray
    theta: np.ndarray
    velocity: np.ndarray


def follow(
    schedule: Schedule, starts: np.ndarray, alpha: float, beta: float, recorded: Sequence[int], seed: int
) -> Path:
    """Run mini-batch INDIAN, equation (11) of the paper, from several starts, each with batches of its own.

    Args:
        schedule: γ_k.
        starts: θ₀ of shape (runs, 2).
        alpha: α.
        beta: β.
        recorded: The increasing numbers of steps after which points are kept; the last one ends the runs.
        seed: Of the batches.
    """
    generator = np.random.default_rng(seed)
    run = PhaseForm(starts, alpha=alpha, beta=beta)
    thetas, velocities, wanted = [], [], set(recorded)
    for k in range(recorded[-1]):
        run.step(batch_gradient(run.theta, subsets(generator, len(starts))), schedule(k))
        if k + 1 in wanted:
            thetas.append(run.theta)
            velocities.append(velocity_from_phase(run.theta, run.phase, alpha, beta))
    return Path(np.array(sorted(wanted)), np.array(thetas), np.array(velocities))
