"""Training with `tf.distribute.MultiWorkerMirroredStrategy`: run as a program, this is one of the workers."""

import json
import os
import pathlib
import sys
from typing import Any

import keras
import numpy as np

from tests.tf.distribution.problem import BATCH_SIZE, EPOCHS, data, flat, new_model, new_optimizer


def train(strategy: Any) -> dict[str, np.ndarray]:
    """Train with a loop of one's own, each worker on its half of each batch."""
    import tensorflow as tf

    with strategy.scope():
        model, optimizer = new_model(), new_optimizer()
        optimizer.build(model.trainable_variables)

    def step(inputs, targets):
        with tf.GradientTape() as tape:
            # The gradients of the workers are added, so each divides by the size of the whole batch.
            loss = tf.reduce_sum(tf.square(model(inputs, training=True) - targets)) / BATCH_SIZE
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))

    @tf.function
    def distributed_step(batch):
        strategy.run(step, args=batch)

    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    batches = tf.data.Dataset.from_tensor_slices(data()).batch(BATCH_SIZE).with_options(options)
    distributed = strategy.experimental_distribute_dataset(batches)
    thetas = []
    for _ in range(EPOCHS):
        for batch in distributed:
            distributed_step(batch)
            thetas.append(flat(model.trainable_variables))
    phase = flat([optimizer.phase(variable) for variable in model.trainable_variables])
    return {"theta": np.array(thetas), "phase": phase}


def error_of_fit(strategy: Any, optimizer: Any) -> str:
    """What `fit` says with this strategy and optimizer; nothing, if it trains."""
    with strategy.scope():
        model = new_model()
        model.compile(optimizer=optimizer, loss="mse")
    try:
        model.fit(*data(), batch_size=BATCH_SIZE, verbose=0)
    except ValueError as error:
        return str(error)
    return ""


def main(directory: pathlib.Path, worker: int, ports: list[str]) -> None:
    """Train as one of the workers, and save what happened; then train alone if this is the first."""
    addresses = [f"localhost:{port}" for port in ports]
    cluster = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": worker}}
    os.environ["TF_CONFIG"] = json.dumps(cluster)
    import tensorflow as tf

    # Before anything else that TensorFlow is asked to do.
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    keras.config.set_floatx("float64")
    errors = {
        f"fit with {optimizer.name}": error_of_fit(strategy, optimizer)
        for optimizer in (keras.optimizers.SGD(name="sgd"), new_optimizer())
    }
    np.savez(directory / f"worker-{worker}.npz", **train(strategy), **errors)
    if worker == 0:
        np.savez(directory / "alone.npz", **train(tf.distribute.get_strategy()))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
