"""A character-level GPT: pre-norm blocks of causal attention and a perceptron, learned positions; in any framework.

Nothing here needs a deep learning framework. PyTorch has a module of its own, `experiments.lib.networks.torch_gpt`.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments.lib.networks.layers import Weights

__all__ = ["NORM_EPSILON", "CharacterGPT", "character_gpt", "logits"]

NORM_EPSILON: Final = 1e-5
"""What the normalizations add to a variance."""

_DEVIATION = 0.02


class CharacterGPT(NamedTuple):
    """Predicts every next character of a text.

    Attributes:
        vocabulary: Number of characters.
        context: Longest text that it takes.
        width: Numbers that describe a character within the network; a multiple of ``heads``.
        blocks: Number of blocks.
        heads: Of the attention.
    """

    vocabulary: int
    context: int
    width: int
    blocks: int
    heads: int

    def initial_weights(self, seed: int) -> Weights:
        """Those of the positions, (context, width), and characters, (vocabulary, width); of the blocks; of the end.

        A block has a scale and a shift for its first normalization and for its second, and the matrix, (in, out), and
        bias of four linear layers: to query, key and value; from the attention; and the two of the perceptron. At the
        end are a normalization and a linear layer to the logits.

        Matrices start as normal numbers of standard deviation 0.02, those that end a residual branch divided by the
        square root of the number of branches, so that the sum of all branches keeps its size; biases and shifts start
        at zero, scales at one.

        Example:
            >>> gpt = CharacterGPT(vocabulary=65, context=64, width=128, blocks=5, heads=4)
            >>> sum(weight.size for weight in gpt.initial_weights(0))
            1016129
        """
        generator = np.random.default_rng(seed)
        width, at_end = self.width, _DEVIATION / (2 * self.blocks) ** 0.5

        def normal(rows: int, columns: int, deviation: float = _DEVIATION) -> NDArray[np.float64]:
            return generator.normal(0.0, deviation, (rows, columns))

        def normalization() -> Weights:
            return [np.ones(width), np.zeros(width)]

        def linear(inputs: int, outputs: int, deviation: float = _DEVIATION) -> Weights:
            return [normal(outputs, inputs, deviation).T, np.zeros(outputs)]

        weights = [normal(self.context, width), normal(self.vocabulary, width)]
        for _ in range(self.blocks):
            weights += [*normalization(), *normalization(), *linear(width, 3 * width), *linear(width, width, at_end)]
            weights += [*linear(width, 4 * width), *linear(4 * width, width, at_end)]
        return [*weights, *normalization(), *linear(width, self.vocabulary)]


def character_gpt(input_shape: tuple[int, ...], classes: int, width: int, blocks: int, heads: int) -> CharacterGPT:
    """For texts of shape (context,) with so many different characters."""
    return CharacterGPT(classes, input_shape[0], width, blocks, heads)


def logits(gpt: CharacterGPT, weights: Sequence[Any], text: Any, xp: Any, nn: Any) -> Any:
    """Logits, shape (n, context, vocabulary), of the characters after each of a text of shape (n, context).

    Args:
        gpt: Its sizes.
        weights: As `CharacterGPT.initial_weights` orders them.
        text: Whole numbers.
        xp: Namespace of the arrays: `jax.numpy` or `keras.ops`.
        nn: Has their softmax and gelu: `jax.nn` or `keras.ops`.
    """
    remaining = iter(weights)
    past = np.tril(np.ones((gpt.context, gpt.context), bool))

    def normalized(x: Any, scale: Any, shift: Any) -> Any:
        centred = x - xp.mean(x, axis=-1, keepdims=True)
        variance = xp.mean(xp.square(centred), axis=-1, keepdims=True)
        return centred / xp.sqrt(variance + NORM_EPSILON) * scale + shift

    def linear(x: Any) -> Any:
        return xp.matmul(x, next(remaining)) + next(remaining)

    def attention(projected: Any) -> Any:
        split = xp.reshape(projected, (-1, gpt.context, 3, gpt.heads, gpt.width // gpt.heads))
        query, key, value = (xp.transpose(split[:, :, i], (0, 2, 1, 3)) for i in range(3))
        scores = xp.matmul(query, xp.transpose(key, (0, 1, 3, 2))) / (gpt.width // gpt.heads) ** 0.5
        attended = xp.matmul(nn.softmax(xp.where(past, scores, -np.inf), axis=-1), value)
        return xp.reshape(xp.transpose(attended, (0, 2, 1, 3)), (-1, gpt.context, gpt.width))

    positions, characters = next(remaining), next(remaining)
    x = xp.take(characters, text, axis=0) + positions
    for _ in range(gpt.blocks):
        first, second = ((next(remaining), next(remaining)) for _ in range(2))
        x = x + linear(attention(linear(normalized(x, *first))))
        x = x + linear(nn.gelu(linear(normalized(x, *second)), approximate=False))
    return linear(normalized(x, next(remaining), next(remaining)))
