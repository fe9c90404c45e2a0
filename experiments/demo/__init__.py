"""Train one network on handwritten digits with INDIAN, SGD and Adam, in PyTorch, Keras and JAX, and compare them."""

from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str]) -> None:
    """Run the demo with these command-line arguments."""
    # Not above: the workers import this package too, and need neither Matplotlib nor tqdm.
    from experiments.demo.command import main

    main(arguments)
