"""Configs that are not from `get_config`: of a few arguments, of another optimizer, misspelt."""

import re

import keras
import pytest

import indian_tf
from indian_tf import INDIAN, DampedAdamW, DampedSGD, INNAprop, LogarithmicDecay, PowerDecay

OPTIMIZERS = [INDIAN, INNAprop]


class Mine(INNAprop):
    """A user's own."""


@pytest.mark.parametrize("cls", OPTIMIZERS)
@pytest.mark.parametrize(
    "partial", [{"learning_rate": 0.25}, {"gradient_accumulation_steps": 2}, {"alpha": 0.75, "name": "mine"}], ids=str
)
def test_a_partial_config_takes_the_defaults_of_the_constructor(cls, partial):
    config = cls.from_config(dict(partial)).get_config()
    expected = cls(**partial).get_config()
    config.pop("name")
    expected.pop("name")
    assert config == expected


def test_a_partial_config_with_a_norm_starts_as_the_norm_does():
    assert INDIAN.from_config({"norm": "rmsprop"}).initial_speed is None


@pytest.mark.parametrize("cls", [INDIAN, INNAprop, DampedSGD, DampedAdamW])
def test_every_key_of_a_config_may_be_missing(cls):
    config = cls().get_config()
    for missing in config:
        again = cls.from_config({name: value for name, value in config.items() if name != missing}).get_config()
        assert {name: again[name] for name in config if name != "name"} == {
            name: config[name] for name in config if name != "name"
        }


def test_a_partial_config_of_a_schedule_takes_the_defaults_too():
    assert PowerDecay.from_config({"initial_learning_rate": 0.5}).get_config() == PowerDecay(0.5).get_config()
    assert (
        LogarithmicDecay.from_config({"initial_learning_rate": 0.5}).get_config() == LogarithmicDecay(0.5).get_config()
    )
    with pytest.raises(TypeError, match="initial_learning_rate"):
        PowerDecay.from_config({"power": 0.5})


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow alone has the trust region")
def test_a_trust_region_takes_partial_configs_and_no_others():
    cls = indian_tf.TrustRegion
    assert cls.from_config({"radius": 0.5}).settings == cls(radius=0.5).settings
    with pytest.raises(TypeError, match=r"^TrustRegion has no radiuss \(did you mean radius\?\)$"):
        cls.from_config({"radiuss": 0.5})
    with pytest.raises(TypeError, match=r"^TrustRegion has no learning_rate$"):
        cls.from_config({"learning_rate": 0.5})


@pytest.mark.parametrize("cls", [*OPTIMIZERS, Mine, DampedSGD, DampedAdamW])
@pytest.mark.parametrize("make", [lambda cls, config: cls(**config), lambda cls, config: cls.from_config(config)])
def test_a_misspelt_argument_is_refused_with_the_right_name(cls, make):
    for wrong, right in [("weight_deacy", "weight_decay"), ("learning_rat", "learning_rate"), ("use_emma", "use_ema")]:
        message = rf"^{cls.__name__} has no {wrong} \(did you mean {right}\?\)$"
        with pytest.raises(TypeError, match=message):
            make(cls, {wrong: 0.1})
    with pytest.raises(TypeError, match=f"^{cls.__name__} has no xyz$"):
        make(cls, {"xyz": 0.1})


@pytest.mark.parametrize("cls", [*OPTIMIZERS, Mine])
@pytest.mark.parametrize(
    "foreign",
    [
        {"beta_1": 0.9},
        {"beta_2": 0.99},
        {"beta_1": 0.9, "beta_2": 0.99},
        {"epsilon": 1e-7},
        {"eps": 1e-7},
        {"betas": (0.9, 0.99)},
        {"momentum": 0.9},
        {"nesterov": True},
        {"amsgrad": True},
        {"rho": 0.9},
        {"centered": False},
    ],
    ids=str,
)
def test_another_optimizers_arguments_are_refused_with_those_that_there_are(cls, foreign):
    told = f"{cls.__name__} has no {', '.join(foreign)}"
    for make in (lambda: cls(**foreign), lambda: cls.from_config(dict(foreign))):
        with pytest.raises(TypeError, match=f"^{re.escape(told)}.*{cls.__name__} has norm_decay and norm_epsilon"):
            make()


def test_the_config_of_adamw_is_refused():
    with pytest.raises(TypeError, match=r"^INNAprop has no beta_1, beta_2, epsilon, amsgrad"):
        INNAprop.from_config(keras.optimizers.AdamW().get_config())


@pytest.mark.parametrize("cls", [INNAprop, Mine])
@pytest.mark.parametrize("name", ["norm", "initial_speed"])
def test_innaprop_sets_its_norm_and_start_itself(cls, name):
    with pytest.raises(TypeError, match=f"^{cls.__name__} has no {name}: it sets it itself, to "):
        cls(**{name: None})


@pytest.mark.parametrize("cls", [INNAprop, Mine])
def test_an_error_names_the_class_that_the_user_made(cls):
    for wrong in ({"norm": "rmsprop"}, {"beta_1": 0.9}, {"xyz": 1}):
        with pytest.raises(TypeError) as caught:
            cls(**wrong)
        assert re.search(r"\bINDIAN\b", str(caught.value)) is None
