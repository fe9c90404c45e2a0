"""One descent, in NumPy or through one of the adapters, and its oscillations."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

import numpy as np

from experiments.lib.runs import Job
from experiments.papers.nonsmooth_valley.loss import START, across, along, gradient, loss
from indian_core.reference import trajectory

__all__ = ["LIBRARIES", "TOLERANCE", "descend", "job", "sign_changes"]

TOLERANCE: Final = 1e-3
"""An oscillation is counted if it goes farther than this to both sides."""

DRAWN: Final = 3000
"""Points of the curves in the results."""

LIBRARIES: Final = {"numpy": ("numpy",), "torch": ("torch",), "keras": ("keras", "tensorflow"), "jax": ("jax", "optax")}


def job(framework: str, alpha: float, beta: float, initial_speed: float, step_size: float, steps: int) -> Job:
    """A descent to be computed."""
    configuration = {
        "framework": framework,
        "step_size": step_size,
        "steps": steps,
        "hyperparameters": {"alpha": alpha, "beta": beta, "initial_speed": initial_speed},
    }
    sources = () if framework == "numpy" else (f"experiments.papers.nonsmooth_valley.in_{framework}",)
    return Job("experiments.papers.nonsmooth_valley.runs:descend", configuration, sources, LIBRARIES[framework])


def descend(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Run one descent, and one in NumPy beside it.

    Returns:
        Points for a figure, the numbers of oscillations, and the largest distance to the points in NumPy relative to
        their norm, over all steps and over the first 10 000.
    """
    framework, step_size, steps = (configuration[name] for name in ("framework", "step_size", "steps"))
    hyperparameters = configuration["hyperparameters"]
    expected = in_numpy(step_size, hyperparameters, steps)
    points = expected
    if framework != "numpy":
        module = import_module(f"experiments.papers.nonsmooth_valley.in_{framework}")
        points = module.trajectory(step_size, hyperparameters, steps)
    distance = np.linalg.norm(points - expected, axis=1) / np.linalg.norm(expected, axis=1)
    losses = loss(points.T)
    every = max(1, steps // DRAWN)
    return {
        "step": list(range(0, steps + 1, every)),
        "theta": points[::every].tolist(),
        "loss": losses[::every].tolist(),
        "across": sign_changes(across(points.T), TOLERANCE),
        "along": sign_changes(along(points.T), TOLERANCE),
        "across_at_all": sign_changes(across(points.T), 0),
        "along_at_all": sign_changes(along(points.T), 0),
        "last_above": int(np.flatnonzero(losses > TOLERANCE)[-1]),
        "farthest": float(np.abs(points).max()),
        "distance": float(distance.max()),
        "distance_at_first": float(distance[:10_001].max()),
    }


def in_numpy(step_size: float, hyperparameters: dict[str, Any], steps: int) -> np.ndarray:
    """The reference: the phase form of the paper."""
    return trajectory(lambda theta, k: gradient(theta), np.array(START), step_size, steps, **hyperparameters).theta


def sign_changes(values: np.ndarray, tolerance: float) -> int:
    """How often the values change between more than the tolerance and less than minus the tolerance.

    Example:
        >>> sign_changes(np.array([1.0, -0.1, 0.1, -1.0, 1.0]), 0.5), sign_changes(np.array([1.0, -0.1, 0.1]), 0)
        (2, 2)
    """
    signs = np.sign(values[np.abs(values) > tolerance])
    return int(np.count_nonzero(signs[1:] != signs[:-1]))
