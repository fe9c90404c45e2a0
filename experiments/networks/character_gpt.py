"""A character-level GPT in PyTorch: pre-norm blocks of causal attention and a perceptron, learned positions."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention

__all__ = ["CharacterGPT", "number_of_parameters"]

_DEVIATION = 0.02


class CharacterGPT(nn.Module):
    """Predicts every next character of a text.

    Matrices start as normal numbers of standard deviation 0.02, those that end a residual branch divided by the square
    root of the number of branches, so that the sum of all branches keeps its size; biases start at zero, scales of
    normalizations at one. All come from one NumPy generator.

    Args:
        vocabulary: Number of characters.
        context: Longest text that it takes.
        width: Numbers that describe a character within the network; a multiple of ``heads``.
        blocks: Number of blocks.
        heads: Of the attention.
        seed: Decides the initial weights.

    Example:
        >>> network = CharacterGPT(vocabulary=65, context=64, width=128, blocks=5, heads=4, seed=0)
        >>> network(torch.zeros(2, 64, dtype=torch.long)).shape
        torch.Size([2, 64, 65])
    """

    def __init__(self, vocabulary: int, context: int, width: int, blocks: int, heads: int, seed: int) -> None:
        super().__init__()
        self.characters = nn.Embedding(vocabulary, width)
        self.positions = nn.Parameter(torch.empty(context, width))
        self.blocks = nn.Sequential(*(_Block(width, heads) for _ in range(blocks)))
        self.norm = nn.LayerNorm(width)
        self.output = nn.Linear(width, vocabulary)
        generator = np.random.default_rng(seed)
        with torch.no_grad():
            for name, param in self.named_parameters():
                if param.ndim > 1:
                    ends_branch = name.endswith(("attend.weight", "contract.weight"))
                    deviation = _DEVIATION / (2 * blocks) ** 0.5 if ends_branch else _DEVIATION
                    param.copy_(torch.from_numpy(generator.normal(0.0, deviation, param.shape)))
                elif name.endswith("bias"):
                    param.zero_()

    def forward(self, text: Tensor) -> Tensor:
        """Logits, shape (n, length, vocabulary), of the characters after each of a text of shape (n, length)."""
        x = self.characters(text) + self.positions[: text.shape[1]]
        return self.output(self.norm(self.blocks(x)))


class _Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_1, self.norm_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.project = nn.Linear(width, 3 * width)
        self.attend = nn.Linear(width, width)
        self.expand = nn.Linear(width, 4 * width)
        self.contract = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attend(self._attention(self.project(self.norm_1(x))))
        return x + self.contract(gelu(self.expand(self.norm_2(x))))

    def _attention(self, projected: Tensor) -> Tensor:
        query, key, value = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in projected.chunk(3, -1))
        attended = scaled_dot_product_attention(query, key, value, is_causal=True)
        return attended.transpose(1, 2).flatten(2)


def number_of_parameters(network: nn.Module) -> int:
    """Of a network in PyTorch.

    Example:
        >>> number_of_parameters(nn.Linear(3, 2))
        8
    """
    return sum(param.numel() for param in network.parameters())
