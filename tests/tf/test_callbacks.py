"""The callbacks of `fit` act on the steps that are taken, and what they save resumes on the same trajectory."""

import keras
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

from indian_tf import INDIAN

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf


def _compile(model, learning_rate=0.2):
    model.compile(optimizer=INDIAN(learning_rate, alpha=0.7, beta=0.2, weight_decay=0.01), loss="mse")


def _fit(model, data, learning_rate=0.2, callbacks=(), **options):
    """Four epochs of four steps; a model that is compiled goes on with its optimizer."""
    if not model.compiled:
        _compile(model, learning_rate)
    options = {"batch_size": 8, "epochs": 4, "shuffle": False, "verbose": 0, **options}
    return model.fit(*data, callbacks=list(callbacks), **options).history


def _state(model):
    variables = model.trainable_variables + model.optimizer.variables
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def _weights(model):
    return np.concatenate([weight.ravel() for weight in model.get_weights()])


@pytest.mark.slow
@pytest.mark.parametrize(
    "callback",
    [
        pytest.param(
            # Nothing is ever an improvement by so much: the step size is halved after each epoch but the first.
            lambda: keras.callbacks.ReduceLROnPlateau(monitor="loss", factor=0.5, patience=1, min_delta=1e9),
            id="ReduceLROnPlateau",
        ),
        pytest.param(
            lambda: keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2 if epoch > 1 else rate),
            id="LearningRateScheduler",
        ),
    ],
)
def test_a_callback_that_sets_the_step_size_is_as_good_as_a_schedule(new_model, data, callback):
    """Both callbacks halve the step size after eight steps and after twelve."""
    called, scheduled = new_model(), new_model()
    history = _fit(called, data, callbacks=[callback()])
    _fit(scheduled, data, keras.optimizers.schedules.PiecewiseConstantDecay([7, 11], [0.2, 0.1, 0.05]))
    np.testing.assert_allclose(history["learning_rate"], [0.2, 0.2, 0.1, 0.05], rtol=1e-6)
    np.testing.assert_allclose(_weights(called), _weights(scheduled), rtol=0, atol=1e-6)


def _save_all(kind, directory, model):
    """A callback that saves the model and the state of its optimizer after each epoch."""
    if kind != "tf.train.Checkpoint":
        weights_only = kind == "weights.h5"
        return keras.callbacks.ModelCheckpoint(
            str(directory / f"after-{{epoch}}.{kind}"), save_weights_only=weights_only
        )

    def write(epoch, logs):
        tf.train.Checkpoint(model=model, optimizer=model.optimizer).write(str(directory / f"after-{epoch + 1}.{kind}"))

    return keras.callbacks.LambdaCallback(on_epoch_end=write)


def _load(kind, path, model):
    if kind == "keras":
        return keras.saving.load_model(path)
    _compile(model)
    model.optimizer.build(model.trainable_variables)
    if kind == "weights.h5":
        model.load_weights(path)
    else:
        tf.train.Checkpoint(model=model, optimizer=model.optimizer).read(str(path)).assert_consumed()
    return model


_KINDS = ["keras", "weights.h5"]
if keras.backend.backend() == "tensorflow":
    _KINDS.append("tf.train.Checkpoint")


@pytest.mark.slow
@pytest.mark.parametrize("kind", _KINDS)
def test_training_resumes_from_a_checkpoint_on_the_same_trajectory(tmp_path, new_model, data, kind):
    whole = new_model()
    history = _fit(whole, data, callbacks=[_save_all(kind, tmp_path, whole)])
    resumed = _load(kind, tmp_path / f"after-2.{kind}", new_model())
    assert int(resumed.optimizer.iterations) == 8
    rest = _fit(resumed, data, initial_epoch=2)
    assert rest["loss"] == history["loss"][2:]
    for actual, expected in zip(_state(resumed), _state(whole), strict=True):
        np.testing.assert_array_equal(actual, expected)


@pytest.mark.slow
def test_tensorboard_shows_the_loss_and_the_step_size(tmp_path, new_model, data):
    model = new_model()
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([7], [0.2, 0.1])
    history = _fit(model, data, schedule, [keras.callbacks.TensorBoard(tmp_path, histogram_freq=1)])
    written = EventAccumulator(str(tmp_path / "train"), size_guidance={"tensors": 0}).Reload()
    shown = {
        name: [float(make_ndarray(event.tensor_proto)) for event in written.Tensors(f"epoch_{name}")]
        for name in ("loss", "learning_rate")
    }
    np.testing.assert_allclose(shown["loss"], history["loss"], rtol=1e-6)
    np.testing.assert_allclose(shown["learning_rate"], [0.2, 0.1, 0.1, 0.1], rtol=1e-6)
    histograms = [tag for tag in written.Tags()["tensors"] if tag.endswith("/histogram")]
    assert len(histograms) == len(model.weights)
