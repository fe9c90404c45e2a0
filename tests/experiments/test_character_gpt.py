"""The character-level GPT sees the past alone, and its weights come from the seed."""

import pytest
import torch

from experiments.networks.character_gpt import CharacterGPT, number_of_parameters


@pytest.fixture
def network():
    return CharacterGPT(vocabulary=11, context=8, width=12, blocks=2, heads=3, seed=0)


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


def test_seed_decides_the_weights(network):
    again, other = (CharacterGPT(11, 8, 12, 2, 3, seed) for seed in (0, 1))
    for name, param in network.named_parameters():
        assert torch.equal(param, again.get_parameter(name))
        assert torch.equal(param, other.get_parameter(name)) == (param.ndim == 1)


def test_standard_size_is_about_a_million_parameters():
    assert 0.9e6 < number_of_parameters(CharacterGPT(65, 64, 128, 5, 4, 0)) < 1.1e6
