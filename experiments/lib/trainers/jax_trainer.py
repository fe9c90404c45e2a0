"""Training in JAX with Optax."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from numpy.typing import NDArray

from experiments.lib import optimizers
from experiments.lib.networks.character_gpt import CharacterGPT
from experiments.lib.networks.jax_network import logits
from experiments.lib.networks.layers import Network
from experiments.lib.trainers import Evaluation

__all__ = ["Trainer"]

_EVALUATED_AT_ONCE = 500

Params = list[jax.Array]


class Trainer:
    """See `experiments.lib.trainers.Trainer`."""

    def __init__(
        self,
        network: Network | CharacterGPT,
        weights: Sequence[NDArray[np.floating]],
        optimizer: str,
        hyperparameters: Mapping[str, float],
        dtype: str,
    ) -> None:
        # Before the first array: without it JAX turns float64 into float32.
        jax.config.update("jax_enable_x64", dtype == "float64")
        self._dtype = dtype
        self.params: Params = [jnp.asarray(weight, dtype) for weight in weights]
        self.state = optimizers.in_jax(optimizer, 0.0, hyperparameters).init(self.params)

        def loss(params: Params, x: jax.Array, y: jax.Array) -> jax.Array:
            return optax.softmax_cross_entropy_with_integer_labels(logits(network, params, x), y).mean()

        @jax.jit
        def step(params: Params, state: Any, x: jax.Array, y: jax.Array, learning_rate: jax.Array) -> Any:
            value, gradients = jax.value_and_grad(loss)(params, x, y)
            transformation = optimizers.in_jax(optimizer, learning_rate, hyperparameters)
            updates, state = transformation.update(gradients, state, params)
            return optax.apply_updates(params, updates), state, value

        @jax.jit
        def evaluate(params: Params, x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
            return loss(params, x, y), (logits(network, params, x).argmax(axis=-1) == y).sum()

        self._step, self._evaluate = step, evaluate

    def step(self, x: NDArray[Any], y: NDArray[np.int64], learning_rate: float) -> float:
        """Take one step."""
        rate = np.asarray(learning_rate, self._dtype)
        self.params, self.state, loss = self._step(self.params, self.state, self._input(x), y, rate)
        return float(loss)

    def evaluate(self, x: NDArray[Any], y: NDArray[np.int64]) -> Evaluation:
        """Evaluate the network."""
        loss, right = 0.0, 0
        for start in range(0, len(y), _EVALUATED_AT_ONCE):
            rows = slice(start, start + _EVALUATED_AT_ONCE)
            chunk_loss, chunk_right = self._evaluate(self.params, self._input(x[rows]), y[rows])
            loss += float(chunk_loss) * len(y[rows])
            right += int(chunk_right)
        return Evaluation(loss / len(y), right / y.size)

    def weights(self) -> list[NDArray[np.floating]]:
        """The weights as they are now."""
        return [np.asarray(param) for param in self.params]

    def _input(self, x: NDArray[Any]) -> NDArray[Any]:
        return x.astype(self._dtype) if np.issubdtype(x.dtype, np.floating) else x
