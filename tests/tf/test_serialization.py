"""Configurations, and saving in the middle of training."""

import copy
import json
import pickle
import re
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest

from indian_core.hyperparameters import INNAPROP_DEFAULTS
from indian_tf import INDIAN, INNA, DampedAdamW, DampedSGD, INNAprop, LogarithmicDecay, PowerDecay
from tests.releases import needs

OPTIONS = {
    "learning_rate": 0.25,
    "alpha": 0.75,
    "beta": 0.3,
    "initial_speed": 0.5,
    "weight_decay": 0.01,
    "norm": "adagrad",
    "norm_decay": 0.9,
    "norm_epsilon": 0.001,
    "norm_dtype": "bfloat16",
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


def test_the_config_of_innaprop_holds_what_it_leaves_open():
    config = INNAprop().get_config()
    published = INNAPROP_DEFAULTS._asdict()
    fixed = {name: published.pop(name) for name in ("norm", "initial_speed")}
    assert config.keys().isdisjoint(fixed)
    assert {name: config[name] for name in published} == pytest.approx(published)
    restored = INNAprop.from_config(INNAprop(alpha=0.2, norm_decay=0.9, norm_dtype="float32").get_config())
    assert (restored.alpha, restored.norm_decay, restored.norm_dtype) == (0.2, 0.9, "float32")
    assert {name: getattr(restored, name) for name in fixed} == fixed


def test_an_initial_speed_of_none_survives_the_config():
    assert INDIAN.from_config(INDIAN(initial_speed=None).get_config()).initial_speed is None


@pytest.mark.parametrize(("norm", "automatic"), [(None, 1.0), ("rmsprop", None), ("adagrad", None)])
def test_the_config_holds_what_the_automatic_initial_speed_is(norm, automatic):
    """And so a saved model starts as it was meant to, whatever the default is later."""
    config = json.loads(json.dumps(INDIAN(norm=norm).get_config()))
    assert config["initial_speed"] == automatic
    assert INDIAN.from_config(dict(config)).get_config() == config
    assert INDIAN.from_config(config | {"initial_speed": "auto"}).initial_speed == automatic
    assert INDIAN.from_config(config | {"initial_speed": 1.0}).initial_speed == 1.0


@pytest.mark.parametrize(("norm", "rate"), [(None, 0.1), ("rmsprop", 0.003), ("adagrad", 0.01)])
def test_the_config_holds_the_default_learning_rate_of_the_norm(norm, rate):
    config = INDIAN(norm=norm).get_config()
    assert config["learning_rate"] == pytest.approx(rate)
    assert INDIAN.from_config(config | {"learning_rate": None}).get_config() == config


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


@pytest.mark.parametrize("cls", [INDIAN, INNAprop, DampedSGD, DampedAdamW, PowerDecay, LogarithmicDecay])
def test_classes_are_registered_under_the_package(cls):
    assert keras.saving.get_registered_name(cls) == f"indian>{cls.__name__}"
    assert keras.saving.get_registered_object(f"indian>{cls.__name__}") is cls


@pytest.mark.parametrize(
    ("name", "cls"),
    [(name, INDIAN) for name in ("indian", "INDIAN", "inna", "INNA", "indian>INDIAN")]
    + [(name, INNAprop) for name in ("innaprop", "INNAprop", "indian>INNAprop")],
)
def test_optimizers_are_found_by_name(name, cls):
    assert INNA is INDIAN
    optimizer = keras.optimizers.get(name)
    assert type(optimizer) is cls
    assert optimizer.get_config() == cls(name=optimizer.name).get_config()
    config = keras.optimizers.serialize(cls(alpha=0.75)) | {"class_name": name}
    assert keras.optimizers.get(config).alpha == 0.75


@needs(keras, "3.10", "the loading of a registered optimizer that `compile` got by its name")
def test_a_model_compiled_by_name_is_saved_with_its_optimizer(tmp_path, new_model, data):
    model = new_model()
    model.compile(optimizer="indian", loss="mse")
    model.fit(*data, batch_size=16, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras").optimizer
    assert type(loaded) is INDIAN
    for actual, expected in zip(loaded.variables, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(actual.numpy(), expected.numpy())


@pytest.mark.slow
def test_without_the_package_loading_names_the_module_that_is_missing(tmp_path, new_model):
    model = new_model()
    model.compile(optimizer=INDIAN(), loss="mse")
    model.save(tmp_path / "model.keras")
    program = """
        import sys, keras
        sys.modules["indian_tf"] = None
        keras.saving.load_model(sys.argv[1], compile=False)
        try:
            keras.saving.load_model(sys.argv[1])
        except TypeError as error:
            print(error)
    """
    command = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path / "model.keras")]
    message = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True).stdout
    assert "Could not locate class 'INDIAN'" in message
    assert "'module': 'indian_tf.optimizer'" in message


def test_optimizers_can_be_pickled_and_copied():
    optimizer = INDIAN(learning_rate=PowerDecay(0.25), alpha=0.75)
    for other in (pickle.loads(pickle.dumps(optimizer)), copy.deepcopy(optimizer)):
        assert type(other) is INDIAN
        assert other.get_config() == optimizer.get_config()


@pytest.mark.parametrize(
    "new", [INDIAN, INNAprop, DampedSGD, DampedAdamW, lambda: PowerDecay(0.1), lambda: LogarithmicDecay(0.1)]
)
def test_an_unknown_key_in_a_config_is_refused_by_name(new):
    cls, config = type(new()), new().get_config()
    with pytest.raises(TypeError, match="gamma"):
        cls.from_config(config | {"gamma": 0.1})


@pytest.mark.parametrize(
    ("exempt", "told"),
    [
        (None, "must be a dict with the keys var_paths, var_names, got None"),
        (["bias"], "must be a dict with the keys var_paths, var_names, got ['bias']"),
        ({}, "it has no var_paths, no var_names"),
        ({"var_paths": []}, "it has no var_names"),
        ({"var_paths": [], "var_names": [], "var_list": []}, "it also has var_list"),
        ({"var_paths": [], "var_names": "bias"}, "must be a list of strings, got 'bias'"),
        ({"var_paths": None, "var_names": []}, "must be a list of strings, got None"),
        ({"var_paths": [3], "var_names": []}, "must be a list of strings, got [3]"),
    ],
)
def test_wrong_exemptions_in_a_config_are_refused(exempt, told):
    config = INDIAN().get_config() | {"exclude_from_weight_decay": exempt}
    with pytest.raises(ValueError, match=rf"exclude_from_weight_decay.*{re.escape(told)}$"):
        INDIAN.from_config(config)


def test_an_empty_config_is_that_of_the_defaults():
    assert INDIAN.from_config({}).get_config() | {"name": "mine"} == INDIAN(name="mine").get_config()


def test_a_wrong_value_in_a_config_is_refused():
    config = INDIAN().get_config() | {"beta": -1.0}
    with pytest.raises(ValueError, match=r"beta must be a finite number > 0, got -1\.0"):
        INDIAN.from_config(config)


@pytest.mark.slow
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
        pytest.param(lambda: {"learning_rate": 0.01, "norm": "rmsprop", "norm_dtype": "bfloat16"}, id="norm"),
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


def _exempt_kernel(model):
    model.optimizer.exclude_from_weight_decay(var_list=[model.layers[0].kernel])


def _exempt_biases(model):
    model.optimizer.exclude_from_weight_decay(var_names=["bias"])


@pytest.mark.slow
@pytest.mark.parametrize("exempt", [_exempt_kernel, _exempt_biases])
def test_exemptions_from_weight_decay_are_saved(tmp_path, new_model, data, exempt):
    model = new_model()
    model.compile(optimizer=INDIAN(weight_decay=0.5), loss="mse")
    exempt(model)
    model.fit(*data, batch_size=32, shuffle=False, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    decaying = [model.optimizer._use_weight_decay(v) for v in model.trainable_variables]
    assert set(decaying) == {True, False}
    assert [again.optimizer._use_weight_decay(v) for v in again.trainable_variables] == decaying
    assert again.optimizer.get_config() == model.optimizer.get_config()
    for each in (model, again):
        each.fit(*data, batch_size=32, shuffle=False, verbose=0)
    for actual, expected in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(actual, expected)


def test_saved_exemptions_of_variables_that_are_not_there_are_told(new_model):
    optimizer = INDIAN(weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_list=[keras.Variable([1.0], name="gone")])
    restored = INDIAN.from_config(optimizer.get_config())
    with pytest.warns(UserWarning, match="the config exempts gone from weight decay, which is none"):
        restored.build(new_model().trainable_variables)
