"""A character-level GPT: pre-norm blocks of causal attention and a perceptron, learned positions; in any framework.

Nothing here needs a deep learning framework. PyTorch has a module of its own, `experiments.lib.networks.torch_gpt`.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments.lib.networks.layers import Weights

__all__ = [
    "NORM_EPSILON",
    "CharacterGPT",
    "blocks_of",
    "character_gpt",
    "initial_blocks",
    "linear",
    "logits",
    "normalized",
]

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
            1016513
        """
        generator = np.random.default_rng(seed)
        tables = [_normal(generator, rows, self.width) for rows in (self.context, self.vocabulary)]
        blocks = initial_blocks(generator, self.width, self.blocks)
        return [*tables, *blocks, *_normalization(self.width), *_linear(generator, self.width, self.vocabulary)]


def initial_blocks(generator: np.random.Generator, width: int, blocks: int) -> Weights:
    """The weights of the blocks, as `CharacterGPT.initial_weights` describes them."""
    at_end = _DEVIATION / (2 * blocks) ** 0.5
    weights: Weights = []
    for _ in range(blocks):
        weights += [*_normalization(width), *_normalization(width)]
        weights += [*_linear(generator, width, 3 * width), *_linear(generator, width, width, at_end)]
        weights += [*_linear(generator, width, 4 * width), *_linear(generator, 4 * width, width, at_end)]
    return weights


def _normal(
    generator: np.random.Generator, rows: int, columns: int, deviation: float = _DEVIATION
) -> NDArray[np.float64]:
    return generator.normal(0.0, deviation, (rows, columns))


def _normalization(width: int) -> Weights:
    return [np.ones(width), np.zeros(width)]


def _linear(generator: np.random.Generator, inputs: int, outputs: int, deviation: float = _DEVIATION) -> Weights:
    return [_normal(generator, outputs, inputs, deviation).T, np.zeros(outputs)]


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
    positions, characters = next(remaining), next(remaining)
    x = xp.take(characters, text, axis=0) + positions
    x = blocks_of(remaining, x, gpt.context, gpt.width, gpt.blocks, gpt.heads, past, xp, nn)
    return linear(remaining, normalized(remaining, x, xp), xp)


def blocks_of(
    remaining: Iterator[Any],
    x: Any,
    length: int,
    width: int,
    blocks: int,
    heads: int,
    seen: NDArray[np.bool_] | None,
    xp: Any,
    nn: Any,
) -> Any:
    """What blocks of attention and a perceptron make of x, shape (n, length, width).

    Args:
        remaining: Of the weights, those of the blocks come next: as `initial_blocks` orders them.
        x: The sequences.
        length: Theirs.
        width: Theirs.
        blocks: Number of blocks.
        heads: Of the attention.
        seen: Which places, the second axis, each place sees, the first; None: all.
        xp: As of `logits`.
        nn: As of `logits`.
    """

    def attention(projected: Any) -> Any:
        split = xp.reshape(projected, (-1, length, 3, heads, width // heads))
        query, key, value = (xp.transpose(split[:, :, i], (0, 2, 1, 3)) for i in range(3))
        scores = xp.matmul(query, xp.transpose(key, (0, 1, 3, 2))) / (width // heads) ** 0.5
        scores = scores if seen is None else xp.where(seen, scores, -np.inf)
        attended = xp.matmul(nn.softmax(scores, axis=-1), value)
        return xp.reshape(xp.transpose(attended, (0, 2, 1, 3)), (-1, length, width))

    for _ in range(blocks):
        first, second = ((next(remaining), next(remaining)) for _ in range(2))
        x = x + linear(remaining, attention(linear(remaining, normalized(iter(first), x, xp), xp)), xp)
        expanded = nn.gelu(linear(remaining, normalized(iter(second), x, xp), xp), approximate=False)
        x = x + linear(remaining, expanded, xp)
    return x


def normalized(remaining: Iterator[Any], x: Any, xp: Any) -> Any:
    """Layer normalization over the last axis, with the scale and the shift that come next."""
    centred = x - xp.mean(x, axis=-1, keepdims=True)
    variance = xp.mean(xp.square(centred), axis=-1, keepdims=True)
    return centred / xp.sqrt(variance + NORM_EPSILON) * next(remaining) + next(remaining)


def linear(remaining: Iterator[Any], x: Any, xp: Any) -> Any:
    """The linear layer whose matrix and bias come next."""
    return xp.matmul(x, next(remaining)) + next(remaining)
