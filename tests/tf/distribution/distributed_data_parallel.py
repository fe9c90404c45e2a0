"""Training with `torch.nn.parallel.DistributedDataParallel`: run as a program, this is one of the processes."""

import pathlib
import sys
from typing import Any

import keras
import numpy as np

from tests.tf.distribution.problem import BATCH_SIZE, EPOCHS, data, flat, new_model, new_optimizer


class Dense(keras.layers.Layer):
    """A dense layer in float64: that of Keras computes in float32 on this backend."""

    def __init__(self, units: int, activation: str | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.units = units
        self.activation = activation

    def build(self, shape: tuple[int, ...]) -> None:
        self.kernel = self.add_weight(shape=(shape[-1], self.units))
        self.bias = self.add_weight(shape=(self.units,), initializer="zeros")

    def call(self, inputs: Any) -> Any:
        outputs = inputs @ self.kernel.value + self.bias.value
        return outputs.tanh() if self.activation else outputs


def train(part: slice, parallel: bool) -> dict[str, np.ndarray]:
    """Train with a loop of one's own, on a part of each batch."""
    import torch

    model, optimizer = new_model(Dense), new_optimizer()
    optimizer.build(model.trainable_variables)
    network = torch.nn.parallel.DistributedDataParallel(model) if parallel else model
    inputs, targets = (torch.from_numpy(array).split(BATCH_SIZE) for array in data())
    thetas = []
    for _ in range(EPOCHS):
        for x, y in zip(inputs, targets, strict=True):
            network.zero_grad()
            torch.nn.functional.mse_loss(network(x[part]), y[part]).backward()
            with torch.no_grad():
                optimizer.apply([variable.value.grad for variable in model.trainable_variables])
            thetas.append(flat(model.trainable_variables))
    phase = flat([optimizer.phase(variable) for variable in model.trainable_variables])
    return {"theta": np.array(thetas), "phase": phase}


def main(directory: pathlib.Path, rank: int) -> None:
    """Train as one of two processes, and save what happened; then train alone if this is the first."""
    import torch

    keras.config.set_floatx("float64")
    meeting_point = (directory / "meeting-point").as_uri()
    torch.distributed.init_process_group("gloo", init_method=meeting_point, rank=rank, world_size=2)
    np.savez(directory / f"process-{rank}.npz", **train(slice(rank, None, 2), parallel=True))
    torch.distributed.destroy_process_group()
    if rank == 0:
        np.savez(directory / "alone.npz", **train(slice(None), parallel=False))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), int(sys.argv[2]))
