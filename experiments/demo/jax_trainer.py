"""Training in JAX with Optax."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

import indian_jax
from experiments.demo.optimizers import ADAM, INDIAN, SGD
from experiments.demo.task import Data
from experiments.demo.training import Evaluation
from experiments.lib.digits import Weights
from experiments.lib.jax_networks import digits_logits

__all__ = ["Trainer"]


class Trainer:
    """See `experiments.demo.training.Trainer`."""

    def __init__(self, weights: Weights, optimizer: str, dtype: str) -> None:
        # Before the first array: without it JAX turns float64 into float32.
        jax.config.update("jax_enable_x64", dtype == "float64")
        transformation = _transformation(optimizer)
        self.params = jax.tree.map(jnp.asarray, weights)
        self.state = transformation.init(self.params)

        @jax.jit
        def step(params: Weights, state: optax.OptState, batch: Data) -> tuple[Weights, optax.OptState]:
            gradients = jax.grad(_loss)(params, batch)
            updates, state = transformation.update(gradients, state, params)
            return optax.apply_updates(params, updates), state

        self._step = step

    def step(self, batch: Data) -> None:
        """Take one step."""
        self.params, self.state = self._step(self.params, self.state, batch)

    def evaluate(self, data: Data) -> Evaluation:
        """Evaluate the network."""
        loss, accuracy = _evaluate(self.params, data)
        return Evaluation(float(loss), float(accuracy))

    def weights(self) -> Weights:
        """The weights as they are now."""
        return jax.tree.map(np.asarray, self.params)


def _loss(params: Weights, data: Data) -> jax.Array:
    logits = digits_logits(params, data.images)
    return optax.softmax_cross_entropy_with_integer_labels(logits, data.labels).mean()


@jax.jit
def _evaluate(params: Weights, data: Data) -> tuple[jax.Array, jax.Array]:
    correct = digits_logits(params, data.images).argmax(axis=1) == data.labels
    return _loss(params, data), correct.mean(dtype=data.images.dtype)


def _transformation(name: str) -> optax.GradientTransformation:
    match name:
        case "INDIAN":
            return indian_jax.indian(**INDIAN._asdict())
        case "SGD":
            return optax.sgd(SGD.learning_rate, momentum=SGD.momentum, nesterov=True)
        case "Adam":
            return optax.adam(ADAM.learning_rate, b1=ADAM.beta_1, b2=ADAM.beta_2, eps=ADAM.epsilon)
    raise ValueError(f"unknown optimizer {name!r}")
