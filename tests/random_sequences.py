"""Random sequences of what users do, each from a seed that an error names."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

__all__ = ["drive"]


def drive(
    make_world: Callable[[np.random.Generator], Any],
    actions: Sequence[Callable[[Any], None]],
    sequences: int,
    longest: int,
    key: Sequence[int] = (),
) -> None:
    """Take random actions in a world, and let it check itself after each.

    Args:
        make_world: A world of random numbers of its own; it has a method ``check``.
        actions: Functions of the world; one that is given more often is taken more often.
        sequences: How many worlds to make.
        longest: The most actions in one of them.
        key: What distinguishes the random numbers from those of another kind of world.

    Raises:
        AssertionError: An action or a check has failed; the message names the seed and the actions.
    """
    for seed in range(sequences):
        generator = np.random.default_rng([seed, *key])
        world, taken = make_world(generator), []
        for _ in range(int(generator.integers(1, longest + 1))):
            action = actions[int(generator.integers(len(actions)))]
            taken.append(action.__name__)
            try:
                action(world)
                world.check()
            except Exception as error:
                raise AssertionError(f"seed {seed}, {', '.join(taken)}: {type(error).__name__}: {error}") from error
