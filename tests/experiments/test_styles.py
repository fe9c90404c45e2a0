"""Every optimizer has one colour and one marker, and labels of one optimizer can be told apart."""

import itertools

import pytest

from experiments.lib.optimizers import OURS
from experiments.lib.styles import OPTIMIZERS, optimizer_of, styles
from experiments.studies.damping.contestants import PEERS, VARIANTS


def test_no_two_optimizers_have_the_same_colour():
    colours = [style.colour for style in OPTIMIZERS.values()]
    assert len(set(colours)) == len(colours)


@pytest.mark.parametrize("label", [*OURS, *PEERS, *VARIANTS])
def test_every_optimizer_that_is_compared_has_a_style(label):
    assert optimizer_of(label) is not None


def test_labels_of_one_optimizer_differ_by_their_lines_alone():
    found = styles(["DampedAdamW, r = 1", "AdamW", "DampedAdamW, r = 3", "α = 0.5", "α = 1"])
    first, second = found["DampedAdamW, r = 1"], found["DampedAdamW, r = 3"]
    assert (first.colour, first.marker) == (second.colour, second.marker)
    assert first.line != second.line
    assert found["AdamW"].colour != first.colour
    others = [found["α = 0.5"], found["α = 1"], found["AdamW"]]
    assert all(one.colour != other.colour for one, other in itertools.combinations(others, 2))


def test_an_optimizer_has_the_same_colour_whoever_is_beside_it():
    assert styles(["SGD", "AdamW"])["AdamW"] == styles(["AdamW", "Lion"])["AdamW"] == OPTIMIZERS["AdamW"]
