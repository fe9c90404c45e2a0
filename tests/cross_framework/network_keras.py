"""The network in Keras, trained with `compile` and `train_on_batch`; on PyTorch with a loop of its own."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from indian_tf import INDIAN
from tests.cross_framework.cases import Run
from tests.cross_framework.network import NetworkCase, batch, flatten, initial_parameters, run_of
from tests.cross_framework.run_keras import floatx, learning_rate


def train(case: NetworkCase, variant: str) -> Run:
    """Train the network."""
    with floatx("float64"):
        return _train(case)


def _train(case: NetworkCase) -> Run:
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(32, "relu"), keras.layers.Dense(10)])
    model.set_weights(initial_parameters())
    optimizer = INDIAN(learning_rate(case.schedule), **case.hyperparameters._asdict())
    # On PyTorch, Keras' layers compute in float32 what is in float64.
    step = (
        _native_torch_step(model, optimizer) if keras.config.backend() == "torch" else _compiled_step(model, optimizer)
    )
    thetas, velocities = [], []
    for k in range(case.steps):
        step(*batch(k))
        thetas.append(flatten(model.get_weights()))
        velocities.append(flatten([keras.ops.convert_to_numpy(v) for v in optimizer._velocities]))
    return run_of(case, thetas, velocities)


def _compiled_step(model: keras.Model, optimizer: INDIAN) -> Callable[[np.ndarray, np.ndarray], Any]:
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model.train_on_batch


def _native_torch_step(model: keras.Model, optimizer: INDIAN) -> Callable[[np.ndarray, np.ndarray], Any]:
    import torch
    from torch.nn import functional

    variables = model.trainable_variables
    kernel, bias, last_kernel, last_bias = parameters = [v.value for v in variables]

    def step(inputs: np.ndarray, classes: np.ndarray) -> None:
        logits = functional.relu(torch.from_numpy(inputs) @ kernel + bias) @ last_kernel + last_bias
        loss = functional.cross_entropy(logits, torch.from_numpy(classes))
        optimizer.apply(torch.autograd.grad(loss, parameters), variables)

    return step
