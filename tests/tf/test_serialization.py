"""Configurations, and saving in the middle of training."""

import json

import keras
import numpy as np
import pytest

from indian_tf import INDIAN, INNA, LogarithmicDecay, PowerDecay

OPTIONS = {
    "learning_rate": 0.25,
    "alpha": 0.75,
    "beta": 0.3,
    "initial_speed": 0.5,
    "weight_decay": 0.01,
    "clipnorm": 2.0,
    "use_ema": True,
    "ema_momentum": 0.9,
    "ema_overwrite_frequency": 7,
    "loss_scale_factor": 2.0,
    "gradient_accumulation_steps": 3,
    "name": "mine",
}
SCHEDULES = [
    pytest.param(lambda: PowerDecay(0.2, 0.25, warmup_steps=3), id="PowerDecay"),
    pytest.param(lambda: PowerDecay(np.float32(0.25), np.float64(0.25), np.int64(3), name="s"), id="PowerDecay-numpy"),
    pytest.param(lambda: LogarithmicDecay(0.2, 1.5), id="LogarithmicDecay"),
    pytest.param(lambda: LogarithmicDecay(np.float32(0.25), np.array([2.0])), id="LogarithmicDecay-numpy"),
    pytest.param(lambda: keras.optimizers.schedules.CosineDecay(0.2, 16), id="Keras-CosineDecay"),
]


def test_the_config_holds_the_arguments_of_the_constructor():
    config = INDIAN(**OPTIONS).get_config()
    assert {name: config[name] for name in OPTIONS} == OPTIONS
    assert INDIAN.from_config(dict(config)).get_config() == config


def test_weight_decay_of_none_survives_the_config():
    assert INDIAN.from_config(INDIAN(weight_decay=None).get_config()).weight_decay is None


def test_the_config_is_json_whatever_kind_of_number_came_in():
    numbers = {name: np.float32(0.5) for name in ("learning_rate", "alpha", "beta", "initial_speed", "weight_decay")}
    config = json.loads(json.dumps(INDIAN(**numbers).get_config()))
    assert {name: config[name] for name in numbers} == dict.fromkeys(numbers, 0.5)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_keras_serializes_and_restores_optimizer_and_schedule(schedule):
    optimizer = INDIAN(learning_rate=schedule(), alpha=0.75)
    text = json.dumps(keras.optimizers.serialize(optimizer))
    restored = keras.optimizers.deserialize(json.loads(text))
    assert type(restored) is INDIAN
    assert restored.get_config() == optimizer.get_config()
    for step in (0, 1, 5, 20):
        assert float(restored._learning_rate(step)) == float(optimizer._learning_rate(step))


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_schedules_round_trip_by_themselves(schedule):
    config = keras.optimizers.schedules.serialize(schedule())
    restored = keras.optimizers.schedules.deserialize(json.loads(json.dumps(config)))
    assert restored.get_config() == schedule().get_config()


@pytest.mark.parametrize("cls", [INDIAN, PowerDecay, LogarithmicDecay])
def test_classes_are_registered_under_the_package(cls):
    assert keras.saving.get_registered_name(cls) == f"indian>{cls.__name__}"
    assert keras.saving.get_registered_object(f"indian>{cls.__name__}") is cls


def test_inna_is_indian_under_its_other_name():
    assert INNA is INDIAN
    assert type(keras.optimizers.get("indian>INDIAN")) is INNA


@pytest.mark.parametrize(
    ("cls", "config"), [(INDIAN, {}), (PowerDecay, {"initial_learning_rate": 0.1}), (LogarithmicDecay, {})]
)
def test_an_unknown_key_in_a_config_is_refused_by_name(cls, config):
    with pytest.raises((TypeError, ValueError), match="gamma"):
        cls.from_config(config | {"gamma": 0.1})


def test_a_wrong_value_in_a_config_is_refused():
    config = INDIAN().get_config() | {"beta": -1.0}
    with pytest.raises(ValueError, match=r"beta must be a finite number > 0, got -1\.0"):
        INDIAN.from_config(config)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(lambda: {"learning_rate": 0.1}, id="constant"),
        pytest.param(
            lambda: {"learning_rate": PowerDecay(0.2, warmup_steps=3), "weight_decay": 0.01, "clipnorm": 1.0},
            id="schedule-decay-clipping",
        ),
        # Three batches are accumulated, and the interruption comes after the second.
        pytest.param(lambda: {"learning_rate": 0.1, "gradient_accumulation_steps": 3}, id="accumulation"),
    ],
)
def test_saving_and_resuming_changes_no_bit(tmp_path, new_model, data, options):
    def fit(model, epochs):
        model.fit(*data, batch_size=16, epochs=epochs, shuffle=False, verbose=0)

    def state(model):
        return [v.numpy().copy() for v in model.trainable_variables + model.optimizer.variables]

    model = new_model()
    model.compile(optimizer=INDIAN(alpha=0.7, beta=0.2, **options()), loss="mse")
    fit(model, 1)
    model.save(tmp_path / "interrupted.keras")
    at_interruption = state(model)
    fit(model, 2)

    resumed = keras.saving.load_model(tmp_path / "interrupted.keras")
    assert type(resumed.optimizer) is INDIAN
    for actual, expected in zip(state(resumed), at_interruption, strict=True):
        np.testing.assert_array_equal(actual, expected)
    fit(resumed, 2)
    for actual, expected in zip(state(resumed), state(model), strict=True):
        np.testing.assert_array_equal(actual, expected)


def test_the_state_is_one_velocity_per_variable_and_a_vector_of_step_counts(new_model, data):
    model = new_model()
    model.compile(optimizer=INDIAN(learning_rate=0.1), loss="mse")
    model.fit(*data, batch_size=16, epochs=2, verbose=0)
    state = {variable.path.split("/", 1)[1]: variable for variable in model.optimizer.variables}
    velocities = {f"{v.path.replace('/', '_')}_velocity": v for v in model.trainable_variables}
    assert set(state) == {"iteration", "learning_rate", "steps"} | set(velocities)
    assert state["steps"].numpy().tolist() == [4] * len(velocities)
    for name, variable in velocities.items():
        assert state[name].shape == variable.shape
        assert np.abs(state[name].numpy()).max() > 0


def test_weights_files_hold_the_state_of_the_optimizer(tmp_path, new_model, data):
    models = [new_model(), new_model()]
    for model in models:
        model.compile(optimizer=INDIAN(learning_rate=0.1), loss="mse")
    models[0].fit(*data, batch_size=16, epochs=2, verbose=0)
    models[0].save_weights(tmp_path / "state.weights.h5")
    models[1].optimizer.build(models[1].trainable_variables)
    models[1].load_weights(tmp_path / "state.weights.h5")
    for actual, expected in zip(models[1].optimizer.variables, models[0].optimizer.variables, strict=True):
        np.testing.assert_array_equal(actual.numpy(), expected.numpy())
