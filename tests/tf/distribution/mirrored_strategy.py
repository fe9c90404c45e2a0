"""Training with `tf.distribute.MirroredStrategy` on two logical CPU devices, and on one."""

import pathlib
import sys
from typing import Any

import keras
import numpy as np

from tests.tf.distribution import multi_worker_mirrored_strategy
from tests.tf.distribution.problem import BATCH_SIZE, EPOCHS, Trajectory, data, new_model, new_optimizer


def words() -> tuple[np.ndarray, np.ndarray]:
    """Indices into an embedding, some of them in several places of a batch and on both devices."""
    indices = np.random.default_rng(0).integers(10, size=(4 * BATCH_SIZE, 3))
    return indices.astype("int32"), np.sin(indices.sum(axis=1, keepdims=True))


def new_embedding() -> Any:
    """A model with an embedding, whose gradients are sparse."""
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Embedding(10, 4), keras.layers.Flatten(), keras.layers.Dense(1)]
    return keras.Sequential([keras.Input((3,), dtype="int32"), *layers])


# Keras itself can neither accumulate gradients nor overwrite variables with their average across replicas, and it
# clips the gradient of each replica.
CASES: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "network": (new_model, data, {}),
    "averaging": (new_model, data, {"use_ema": True, "ema_momentum": 0.9}),
    "embedding": (new_embedding, words, {}),
    "norm": (new_embedding, words, {"norm": "rmsprop", "norm_epsilon": 0.01, "norm_dtype": "float64"}),
}


def train(strategy: Any, case: str, epochs: int = EPOCHS, weights: pathlib.Path | None = None) -> Trajectory:
    """Train a new model, from saved weights and optimizer state if there are some."""
    new, examples, options = CASES[case]
    trajectory = Trajectory()
    with strategy.scope():
        model = new()
        model.compile(optimizer=new_optimizer(**options), loss="mse")
        if weights is not None:
            model.optimizer.build(model.trainable_variables)
            model.load_weights(weights)
    model.fit(*examples(), batch_size=BATCH_SIZE, epochs=epochs, shuffle=False, verbose=0, callbacks=[trajectory])
    return trajectory


def main(directory: pathlib.Path) -> None:
    """Train in all ways and save what happened."""
    import tensorflow as tf

    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    keras.config.set_floatx("float64")
    one, two = tf.distribute.get_strategy(), tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    for case in CASES:
        train(one, case).save(directory, f"one-{case}")
        train(two, case).save(directory, f"two-{case}")
    np.savez(directory / "two-loop.npz", **multi_worker_mirrored_strategy.train(two))
    weights = directory / "first-epoch.weights.h5"
    train(two, "network", epochs=1).model.save_weights(weights)
    train(one, "network", EPOCHS - 1, weights).save(directory, "one-after-two")
    train(two, "network", EPOCHS - 1, weights).save(directory, "two-after-two")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
