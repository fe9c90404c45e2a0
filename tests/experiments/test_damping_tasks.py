"""The networks of the study of the damping see what they should, and their batches are what was drawn."""

import jax.numpy as jnp
import numpy as np
import pytest

from experiments.lib import data
from experiments.lib.networks import architectures, jax_network
from experiments.studies.damping import plans, tasks
from experiments.studies.damping.tasks import nin
from experiments.studies.damping.tasks.convolutions import CONVOLUTIONS
from experiments.studies.damping.tasks.pictures import Draw, batch_of, pictures
from experiments.studies.damping.tasks.resnet import STATISTICS_DECAY, ResNet
from experiments.studies.damping.tasks.rnn import LSTM
from experiments.studies.damping.tasks.texts import evaluation_of
from experiments.studies.damping.tasks.vit import VisionTransformer

_DIGITS = data.images("digits", None, training=20, validation=10, test=10)


@pytest.mark.parametrize(("size", "stride"), [(3, 1), (3, 2), (1, 1), (1, 2)])
def test_a_convolution_is_the_same_in_both_ways(size, stride):
    generator = np.random.default_rng(0)
    x = generator.normal(size=(2, 8, 8, 3)).astype(np.float32)
    kernel = generator.normal(size=(size, size, 3, 5)).astype(np.float32)
    first, second = (convolved(x, kernel, stride, "float32") for convolved in CONVOLUTIONS.values())
    assert first.shape == (2, 8 // stride, 8 // stride, 5)
    np.testing.assert_allclose(first, second, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("convolution", CONVOLUTIONS)
def test_network_in_network_is_that_of_the_other_experiments(convolution):
    network = architectures.network_in_network((10, 12, 3), 10, width=6)
    x = np.random.default_rng(0).normal(size=(2, 10, 12, 3)).astype(np.float32)
    weights = [weight.astype(np.float32) for weight in network.initial_weights(0)]
    found = nin.logits(network, weights, x, CONVOLUTIONS[convolution], "float32")
    np.testing.assert_allclose(found, jax_network.logits(network, weights, x), rtol=1e-4, atol=1e-5)


def test_network_in_network_starts_with_glorots_weights():
    task = tasks.load(plans.plan("nin", "quick").describe(None), None)
    for kernel in task.initial_weights(3)[::2]:
        *size, inputs, outputs = kernel.shape
        limit = (6 / (np.prod(size) * (inputs + outputs))) ** 0.5
        assert 0.8 * limit < np.abs(kernel).max() <= limit


def test_network_in_network_refuses_other_layers():
    strided = architectures.strided_network_in_network((8, 8, 1), 10, width=4)
    with pytest.raises(TypeError, match="layer must be one of Network in Network, got Convolution"):
        nin.logits(strided, strided.initial_weights(0), np.zeros((1, 8, 8, 1)), CONVOLUTIONS["direct"], "float32")


def test_batches_are_normalized_by_themselves_in_training_and_by_the_averages_after_it():
    network = ResNet(1, 10, (4, 8), 1, "float32", "direct")
    weights, statistics = network.initial_weights(0), network.initial_statistics()
    x = np.random.default_rng(0).normal(size=(6, 8, 8, 1)).astype(np.float32)
    logits, moved = network.apply(weights, statistics, x, True)
    scaled, _ = network.apply(weights, statistics, 10 * x, True)
    np.testing.assert_allclose(logits, scaled, atol=1e-3)
    kept = network.apply(weights, statistics, x, False)
    assert kept[1] is statistics
    assert np.abs(np.asarray(kept[0] - logits)).max() > 0.01
    stem = CONVOLUTIONS["direct"](x, weights[0], 1, "float32")
    np.testing.assert_allclose(moved[0][0], (1 - STATISTICS_DECAY) * stem.mean((0, 1, 2)), rtol=1e-4, atol=1e-6)
    assert len(moved) == len(network.convolutions())


def test_images_are_flipped_and_shifted_as_drawn():
    found = pictures(_DIGITS, 2, None)
    whole = data.load(_DIGITS, None)[0]["training"].take(np.array([3, 4, 5]))
    corners = np.array([[2, 2], [2, 2], [1, 4]], np.int32)
    drawn = Draw(np.array([3, 4, 5], np.int32), np.array([False, True, False]), corners)
    x, y = batch_of(found.shape)(found.training, drawn)
    np.testing.assert_array_equal(y, whole[1])
    np.testing.assert_array_equal(x[0], whole[0][0])
    np.testing.assert_array_equal(x[1], whole[0][1][:, ::-1])
    # One row up and two columns to the right of where it was cut out before.
    np.testing.assert_array_equal(x[2][1:, :-2], whole[0][2][:-1, 2:])
    np.testing.assert_array_equal(x[2][0], 0)


def test_patches_hold_the_pixels_of_their_places():
    network = VisionTransformer((4, 6, 1), 10, patch=2, width=8, blocks=1, heads=2, precision="float32")
    image = np.arange(24.0).reshape(1, 4, 6, 1)
    patches = np.asarray(network._patches(jnp.asarray(image)))
    assert patches.shape == (1, network.length(), 4) == (1, 6, 4)
    np.testing.assert_array_equal(patches[0, 1], [2, 3, 8, 9])
    np.testing.assert_array_equal(patches[0, 3], [12, 13, 18, 19])


def test_vision_transformer_depends_on_the_places_of_patches():
    network = VisionTransformer((4, 4, 1), 3, patch=2, width=8, blocks=1, heads=2, precision="float32")
    generator = np.random.default_rng(0)
    weights = [generator.normal(size=weight.shape) for weight in network.initial_weights(0)]
    image = generator.normal(size=(1, 4, 4, 1))
    swapped = np.concatenate([image[:, 2:], image[:, :2]], 1)
    logits, others = (network.apply(weights, (), jnp.asarray(x), True)[0] for x in (image, swapped))
    assert logits.shape == (1, 3)
    assert np.abs(np.asarray(logits - others)).max() > 1e-3
    weights[0] *= 0
    logits, others = (network.apply(weights, (), jnp.asarray(x), True)[0] for x in (image, swapped))
    np.testing.assert_allclose(logits, others, rtol=1e-4, atol=1e-5)


def test_lstm_sees_the_past_alone():
    network = LSTM(11, 6, "float32")
    weights = [5 * weight for weight in network.initial_weights(0)]
    text = np.arange(8)[None] % 11
    changed = text.copy()
    changed[0, 4] = 9
    before, after = (np.asarray(network.apply(weights, (), jnp.asarray(x), True)[0]) for x in (text, changed))
    assert before.shape == (1, 8, 11)
    np.testing.assert_allclose(after[0, :4], before[0, :4], rtol=1e-6)
    assert (np.abs(after[0, 4:] - before[0, 4:]).max(-1) > 1e-4).all()


def test_pieces_for_the_evaluation_do_not_overlap_and_are_followed_by_their_labels():
    ids = np.arange(100, dtype=np.int32)
    parts = evaluation_of({"validation": ids, "test": ids[::-1]}, context=5, pieces=6)
    x, y = parts["validation"]
    assert x.shape == (1, 6, 5)
    np.testing.assert_array_equal(y, x + 1)
    assert len(np.unique(x)) == x.size
    np.testing.assert_array_equal(parts["test"][1], parts["test"][0] - 1)


def test_fine_tuning_starts_where_the_pre_training_ended():
    description = plans.plan("finetune", "quick").describe(None)
    task = tasks.load(description, None)
    start = task.initial_weights(1)
    assert all(map(np.array_equal, start, task.initial_weights(2)))
    longer = {**description, "pretraining": {**description["pretraining"], "steps": 6}}
    others = tasks.load(longer, None).initial_weights(1)
    assert any(np.abs(one - other).max() > 1e-5 for one, other in zip(start, others, strict=True))


def test_unknown_task_is_an_error_that_names_the_known_ones():
    with pytest.raises(ValueError, match="no task 'mlp'; the tasks are: gpt, resnet, nin, vit, rnn, finetune"):
        tasks.load({"name": "mlp"}, None)
