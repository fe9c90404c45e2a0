"""Training with `keras.distribution` on eight devices, data or model parallel, and on one."""

import contextlib
import pathlib
import sys
from typing import Any

import keras
import numpy as np

from tests.tf.distribution.problem import BATCH_SIZE, EPOCHS, Trajectory, data, new_model, new_optimizer


def data_parallel() -> Any:
    """Each device has an eighth of each batch, and a copy of the model."""
    return keras.distribution.DataParallel(devices=keras.distribution.list_devices())


def model_parallel() -> Any:
    """Two groups of devices have a half of each batch; the four of a group share the hidden layer."""
    mesh = keras.distribution.DeviceMesh((2, 4), ["batch", "model"], devices=keras.distribution.list_devices())
    layout = keras.distribution.LayoutMap(mesh)
    layout[".*hidden/kernel"] = (None, "model")
    layout[".*hidden/bias"] = ("model",)
    layout[".*output/kernel"] = ("model", None)
    return keras.distribution.ModelParallel(layout_map=layout, batch_dim_name="batch")


def train(distribution: Any) -> Any:
    """Train a new model in the usual way."""
    trajectory = Trajectory()
    with distribution.scope() if distribution else contextlib.nullcontext():
        model = new_model()
        model.compile(optimizer=new_optimizer(norm="rmsprop", norm_epsilon=0.01), loss="mse")
        model.fit(*data(), batch_size=BATCH_SIZE, epochs=EPOCHS, shuffle=False, verbose=0, callbacks=[trajectory])
    return trajectory


def parts(model: Any) -> dict[str, np.ndarray]:
    """How many entries of each variable, of the optimizer's state for it, and of its phase the first device has."""

    def first(tensor: Any) -> int:
        return tensor.addressable_shards[0].data.size

    optimizer, variables = model.optimizer, model.trainable_variables
    shapes = {tuple(variable.shape) for variable in variables}
    state = [variable for variable in optimizer.variables if tuple(variable.shape) in shapes]
    return {
        "parameters": np.array([first(variable.value) for variable in variables]),
        "state": np.array([first(variable.value) for variable in state]),
        "phases": np.array([first(optimizer.phase(variable)) for variable in variables]),
    }


def main(directory: pathlib.Path) -> None:
    """Train in all ways and save what happened."""
    keras.config.set_floatx("float64")
    train(None).save(directory, "one")
    for name, distribution in [("data", data_parallel()), ("model", model_parallel())]:
        trajectory = train(distribution)
        trajectory.save(directory, name)
        np.savez(directory / f"{name}-parts.npz", **parts(trajectory.model))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
