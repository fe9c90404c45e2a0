"""The network of `experiments.lib.networks.character_gpt` in PyTorch."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention

from experiments.lib.networks.character_gpt import NORM_EPSILON, CharacterGPT

__all__ = ["TorchGPT"]


class TorchGPT(nn.Module):
    """Takes texts of shape (n, length), at most as long as the context, and returns logits.

    Args:
        gpt: Its sizes.
        weights: As `CharacterGPT.initial_weights` gives them.
        dtype: Of the parameters.

    Example:
        >>> gpt = CharacterGPT(vocabulary=65, context=64, width=16, blocks=2, heads=4)
        >>> TorchGPT(gpt, gpt.initial_weights(0))(torch.zeros(2, 64, dtype=torch.long)).shape
        torch.Size([2, 64, 65])
    """

    def __init__(
        self, gpt: CharacterGPT, weights: Sequence[NDArray[np.floating]], dtype: torch.dtype = torch.float32
    ) -> None:
        super().__init__()
        self.positions = nn.Parameter(torch.empty(gpt.context, gpt.width))
        self.characters = nn.Embedding(gpt.vocabulary, gpt.width)
        self.blocks = nn.Sequential(*(_Block(gpt.width, gpt.heads) for _ in range(gpt.blocks)))
        self.norm = nn.LayerNorm(gpt.width, NORM_EPSILON)
        self.output = nn.Linear(gpt.width, gpt.vocabulary)
        self.to(dtype)
        with torch.no_grad():
            for param, weight in zip(self._in_layout(list(self.parameters())), weights, strict=True):
                param.copy_(torch.from_numpy(weight))

    def forward(self, text: Tensor) -> Tensor:
        """Logits, shape (n, length, vocabulary), of the characters after each."""
        x = self.characters(text) + self.positions[: text.shape[1]]
        return self.output(self.norm(self.blocks(x)))

    def weights(self) -> list[NDArray[np.floating]]:
        """The parameters, as `CharacterGPT.initial_weights` orders them."""
        return [param.detach().cpu().numpy() for param in self._in_layout(list(self.parameters()))]

    @staticmethod
    def _in_layout(params: list[nn.Parameter]) -> list[Tensor]:
        """Matrices of linear layers as (in, out); the first two are tables."""
        tables, rest = params[:2], params[2:]
        return [*tables, *(param.T if param.ndim == 2 else param for param in rest)]


class _Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_1, self.norm_2 = nn.LayerNorm(width, NORM_EPSILON), nn.LayerNorm(width, NORM_EPSILON)
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
