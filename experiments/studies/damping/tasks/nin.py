"""Network in Network on images, with Glorot's initial weights."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import jax

from experiments.lib.networks.architectures import network_in_network
from experiments.lib.networks.layers import Convolution, MaxPool, MeanOverPixels, Network, Relu
from experiments.studies.damping.tasks import Task
from experiments.studies.damping.tasks.convolutions import CONVOLUTIONS
from experiments.studies.damping.tasks.pictures import batch_of, draws_of, pictures

__all__ = ["load", "logits"]

MARGIN: Final = 2
"""By how many pixels images are shifted at most."""

GLOROT: Final = "glorot_uniform"
"""With He's weights the largest curvature at the start is some hundred times as large, and no step size that it bears
trains this network without batch normalization."""


def load(description: Mapping[str, Any], source: Path | None) -> Task:
    """See `experiments.studies.damping.tasks.load`."""
    found = pictures(description["data"], MARGIN, source)
    sizes = description["network"]
    network = network_in_network(found.shape, found.classes, sizes["width"])
    network = network._replace(hidden_kernels=GLOROT, output_kernel=GLOROT)
    convolved, precision = CONVOLUTIONS[sizes["convolution"]], description["precision"]

    def apply(weights: Sequence[Any], statistics: Any, x: Any, training: bool) -> tuple[jax.Array, Any]:
        del training
        return logits(network, weights, x, convolved, precision), statistics

    return Task(
        initial_weights=network.initial_weights,
        initial_statistics=(),
        apply=apply,
        # Muon would need to know how kernels become matrices.
        hidden=[False] * len(network.initial_weights(0)),
        data=found.training,
        draws=draws_of(len(found.training[1]), description["batch_size"], MARGIN),
        batch=batch_of(found.shape),
        evaluation=found.evaluation,
    )


def logits(
    network: Network, weights: Sequence[Any], x: Any, convolved: Callable[..., jax.Array], precision: str
) -> jax.Array:
    """As `experiments.lib.networks.jax_network.logits`, with convolutions computed in a given way.

    Raises:
        TypeError: The network has a layer of another kind than Network in Network, or a convolution with a stride.
    """
    remaining = iter(weights)
    for layer in network.layers:
        match layer:
            case Convolution(stride=1):
                x = convolved(x, next(remaining), layer.stride, precision) + next(remaining)
            case Relu():
                x = jax.nn.relu(x)
            case MaxPool():
                n, height, width, channels = x.shape
                x = x[:, : height // 2 * 2, : width // 2 * 2]
                # On a CPU, the gradient of XLA's own pooling is slow inside a loop of steps.
                x = x.reshape(n, height // 2, 2, width // 2, 2, channels).max((2, 4))
            case MeanOverPixels():
                x = x.mean((1, 2))
            case _:
                raise TypeError(f"layer must be one of Network in Network, got {layer!r}")
    return x
