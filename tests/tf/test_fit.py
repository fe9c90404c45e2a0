"""Training with compile and fit."""

import keras
import numpy as np
import pytest

from indian_tf import INDIAN, LogarithmicDecay, PowerDecay
from tests.releases import needs_name


def _losses(model, data, optimizer, *, epochs=8, **options):
    model.compile(optimizer=optimizer, loss="mse", **options.pop("compile_options", {}))
    return model.fit(*data, batch_size=16, epochs=epochs, shuffle=False, verbose=0, **options).history["loss"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "learning_rate",
    [
        pytest.param(lambda: 0.1, id="constant"),
        pytest.param(lambda: PowerDecay(0.2), id="PowerDecay"),
        pytest.param(lambda: PowerDecay(0.2, 0.25, warmup_steps=3), id="PowerDecay-warmup"),
        pytest.param(lambda: LogarithmicDecay(0.2), id="LogarithmicDecay"),
        pytest.param(lambda: keras.optimizers.schedules.CosineDecay(0.2, 16), id="Keras-CosineDecay"),
    ],
)
def test_the_loss_goes_down(new_model, data, learning_rate):
    losses = _losses(new_model(), data, INDIAN(learning_rate=learning_rate()))
    assert np.isfinite(losses).all()
    assert losses[-1] < 0.8 * losses[0]


def test_the_defaults_train(new_model, data):
    losses = _losses(new_model(), data, INDIAN())
    assert losses[-1] < 0.8 * losses[0]


def test_the_optimizer_can_be_named_by_its_registered_name(new_model, data):
    losses = _losses(new_model(), data, "indian>INDIAN")
    assert losses[-1] < losses[0]


@pytest.mark.slow
def test_running_eagerly_makes_no_difference(new_model, data):
    graph = _losses(new_model(), data, INDIAN(learning_rate=0.1), epochs=3)
    eager = _losses(
        new_model(),
        data,
        INDIAN(learning_rate=0.1),
        epochs=3,
        compile_options={"run_eagerly": True, "jit_compile": False},
    )
    np.testing.assert_allclose(eager, graph, rtol=1e-5)


@pytest.mark.slow
def test_every_option_of_the_base_class_at_once_trains(new_model, data):
    optimizer = INDIAN(
        learning_rate=PowerDecay(0.2),
        weight_decay=1e-3,
        clipnorm=5.0,
        use_ema=True,
        ema_momentum=0.5,
        ema_overwrite_frequency=4,
        loss_scale_factor=16.0,
        gradient_accumulation_steps=2,
    )
    losses = _losses(new_model(), data, optimizer, epochs=20)
    assert np.isfinite(losses).all()
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.slow
def test_accumulated_batches_train_as_one(new_model, data):
    """Two batches of 16 accumulated are one batch of 32, from the first update on."""
    weights = []
    for batch_size, accumulated in [(32, None), (16, 2)]:
        model = new_model()
        model.compile(optimizer=INDIAN(learning_rate=0.1, gradient_accumulation_steps=accumulated), loss="mse")
        model.fit(*data, batch_size=batch_size, epochs=4, shuffle=False, verbose=0)
        weights.append(np.concatenate([w.ravel() for w in model.get_weights()]))
    np.testing.assert_allclose(weights[1], weights[0], atol=1e-6)


@pytest.mark.slow
def test_frozen_layers_do_not_move(new_model, data):
    model = new_model()
    model.layers[0].trainable = False
    frozen, free = (layer.kernel.numpy().copy() for layer in model.layers)
    _losses(model, data, INDIAN(learning_rate=0.1, weight_decay=0.1), epochs=2)
    np.testing.assert_array_equal(model.layers[0].kernel.numpy(), frozen)
    assert np.abs(model.layers[1].kernel.numpy() - free).max() > 0


@pytest.mark.slow
def test_constraints_of_a_layer_hold_after_training(new_model, data):
    model = new_model(kernel_constraint=keras.constraints.NonNeg())
    _losses(model, data, INDIAN(learning_rate=0.1), epochs=2)
    assert model.layers[0].kernel.numpy().min() == 0


def test_the_phase_is_available_after_training(new_model, data):
    model = new_model()
    _losses(model, data, INDIAN(learning_rate=0.1), epochs=1)
    for variable in model.trainable_variables:
        phase = keras.ops.convert_to_numpy(model.optimizer.phase(variable))
        assert phase.shape == tuple(variable.shape)
        assert np.isfinite(phase).all()


@needs_name(keras.optimizers, "MultiOptimizer")
@pytest.mark.slow
def test_multi_optimizer_trains_a_model(new_model, data):
    optimizers = keras.optimizers.OptimizerMap(keras.optimizers.SGD(0.01))
    model = new_model()
    optimizers[model.layers[0].kernel.path] = INDIAN(learning_rate=0.1)
    losses = _losses(model, data, keras.optimizers.MultiOptimizer(optimizers))
    assert losses[-1] < losses[0]
