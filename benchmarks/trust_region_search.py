"""What `benchmarks.trust_region` times of one network in one framework."""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

__all__ = ["SUBPROBLEMS", "TRAINING", "Search", "timed"]

SUBPROBLEMS: Final = ("steihaug", "lanczos")

TRAINING: Final[dict[str, Any]] = {"radius": 0.1, "expand_factor": 1.5, "expand_ratio": 0.75}
"""Of the ten steps after which the network is timed."""


def timed(subproblem: str, iterations: int) -> dict[str, Any]:
    """The hyperparameters of a timed step: a radius and a tolerance that leave it many iterations."""
    return {"subproblem": subproblem, "radius": 10.0, "max_iterations": iterations, "tolerance": 1e-6}


class Search(NamedTuple):
    """A network with tanh, trained a little, from the widths of its layers, the size of a batch, and `timed`.

    Attributes:
        product: Computes one bare Hessian–vector product, the gradient's graph being there.
        steps: By the name of the subproblem, takes one step from the same state each time, and returns how many
            backpropagations it took.
    """

    product: Callable[[], object]
    steps: Mapping[str, Callable[[], int]]
