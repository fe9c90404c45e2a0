"""The character-level GPT sees the past alone, and its weights come from the seed."""

import numpy as np
import pytest
import torch

from experiments.lib.networks.character_gpt import CharacterGPT
from experiments.lib.networks.torch_gpt import TorchGPT

_GPT = CharacterGPT(vocabulary=11, context=8, width=12, blocks=2, heads=3)


@pytest.fixture
def network():
    return TorchGPT(_GPT, _GPT.initial_weights(0))


def test_prediction_depends_on_the_past_and_the_present_alone(network):
    text = torch.arange(8).unsqueeze(0)
    changed = text.clone()
    changed[0, 5] = 9
    before, after = network(text), network(changed)
    assert before.shape == (1, 8, 11)
    torch.testing.assert_close(after[0, :5], before[0, :5])
    assert all((after[0, 5:] - before[0, 5:]).abs().max(dim=1).values > 1e-6)


def test_prediction_depends_on_the_place_of_a_character(network):
    logits = network(torch.zeros(1, 8, dtype=torch.long))
    assert (logits[0, 0] - logits[0, 7]).abs().max() > 1e-4


def test_seed_decides_the_weights_and_the_module_has_them(network):
    first, again, other = (_GPT.initial_weights(seed) for seed in (0, 0, 1))
    assert all(map(np.array_equal, first, again))
    assert not any(np.array_equal(a, b) for a, b in zip(first, other, strict=True) if a.ndim == 2)
    for weight, found in zip(first, network.weights(), strict=True):
        np.testing.assert_array_equal(found, weight.astype(np.float32))


def test_standard_size_is_about_a_million_parameters():
    gpt = CharacterGPT(vocabulary=65, context=64, width=128, blocks=5, heads=4)
    assert 0.9e6 < sum(weight.size for weight in gpt.initial_weights(0)) < 1.1e6
