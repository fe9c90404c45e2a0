"""How far apart the frameworks' trajectories are."""

from collections.abc import Mapping
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from experiments.demo.training import Run

__all__ = ["Pair", "pairwise_distances", "relative_distances"]

Pair = tuple[str, str]
"""Two frameworks."""


def relative_distances(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.float64]:
    """‖a − b‖ / max(‖a‖, ‖b‖) at each step, in the Euclidean norm of all parameters as one vector.

    Args:
        a: Shape (steps, number of parameters).
        b: Of the same shape.

    Example:
        >>> relative_distances(np.array([[3.0, 0.0]]), np.array([[3.0, 4.0]]))
        array([0.8])
    """
    a, b = a.astype(np.float64), b.astype(np.float64)
    largest = np.maximum(np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1))
    return np.linalg.norm(a - b, axis=1) / largest


def pairwise_distances(runs: Mapping[str, Run]) -> dict[Pair, NDArray[np.float64]]:
    """The distances between the trajectories of every two frameworks, at each recorded step; empty for one framework.

    Args:
        runs: Of one optimizer, by framework.
    """
    return {(a, b): relative_distances(runs[a].trajectory, runs[b].trajectory) for a, b in combinations(runs, 2)}
