"""An LSTM that predicts the next character of a text: without normalization, over a long context.

It is the task where AdamW is least at ease. The same matrix acts at every character of a context, so gradients grow and
shrink with the length of the context, and a step that is too large stops the training for a while.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from experiments.studies.damping.tasks import Task
from experiments.studies.damping.tasks.precision import namespace
from experiments.studies.damping.tasks.texts import batch_of, draws_of, evaluation_of, python_sources, text

__all__ = ["LSTM", "load"]


class LSTM(NamedTuple):
    """One layer, and a linear layer to the logits.

    Attributes:
        vocabulary: Number of characters.
        width: Of the state.
        precision: Of the products, see `experiments.studies.damping.tasks.precision.PRECISIONS`.
    """

    vocabulary: int
    width: int
    precision: str

    def initial_weights(self, seed: int) -> list[NDArray[Any]]:
        """From characters and from the state to the four gates, the bias of the gates, and the linear layer.

        The gates are input, forget, candidate and output. The bias of the forget gate starts at 1.

        Example:
            >>> [weight.shape for weight in LSTM(65, 8, "float32").initial_weights(0)]
            [(65, 32), (8, 32), (32,), (8, 65), (65,)]
        """
        generator = np.random.default_rng(seed)
        scale, width = self.width**-0.5, self.width
        bias = np.zeros(4 * width)
        bias[width : 2 * width] = 1.0
        return [
            generator.uniform(-scale, scale, (self.vocabulary, 4 * width)),
            generator.uniform(-scale, scale, (width, 4 * width)),
            bias,
            generator.uniform(-scale, scale, (width, self.vocabulary)),
            np.zeros(self.vocabulary),
        ]

    def apply(self, weights: Sequence[Any], statistics: Any, x: Any, training: bool) -> tuple[jax.Array, Any]:
        """Logits, (n, context, vocabulary), from a state of zeros; there are no statistics."""
        del training
        arithmetic = namespace(self.precision)
        of_characters, of_state, bias, matrix, end = weights

        def step(carry: Any, given: Any) -> Any:
            state, cell = carry
            gates = jnp.split(given + arithmetic.matmul(state, of_state), 4, axis=-1)
            opened, kept, shown = (jax.nn.sigmoid(gates[place]) for place in (0, 1, 3))
            cell = kept * cell + opened * jnp.tanh(gates[2])
            state = shown * jnp.tanh(cell)
            return (state, cell), state

        zeros = jnp.zeros((x.shape[0], self.width))
        given = jnp.take(of_characters, x.T, axis=0) + bias
        _, states = jax.lax.scan(step, (zeros, zeros), given)
        return arithmetic.matmul(states.transpose(1, 0, 2), matrix) + end, statistics


def load(description: Mapping[str, Any], source: Path | None) -> Task:
    """See `experiments.studies.damping.tasks.load`."""
    described, context = description["data"], description["context"]
    found = python_sources(described["characters"]) if described["kind"] == "python" else text(described, source)
    parts, vocabulary = found
    network = LSTM(vocabulary, description["network"]["width"], description["precision"])
    return Task(
        initial_weights=network.initial_weights,
        initial_statistics=(),
        apply=network.apply,
        hidden=[False, True, False, False, False],
        data=jnp.asarray(parts["training"]),
        draws=draws_of(parts["training"], context, description["batch_size"]),
        batch=batch_of(context),
        evaluation=evaluation_of(parts, context, description["pieces"]),
    )
