"""Names of optimizers are Keras' own: unique in a process, and saved."""

import keras
import numpy as np
import pytest

import indian_tf
from indian_tf import INDIAN, DampedAdamW, DampedSGD, INNAprop
from tests.releases import needs_name

CLASSES = {"indian": INDIAN, "innaprop": INNAprop, "damped_sgd": DampedSGD, "damped_adamw": DampedAdamW}
if keras.backend.backend() == "tensorflow":
    CLASSES["trust_region"] = indian_tf.TrustRegion


class Mine(INNAprop):
    """A user's own."""


@pytest.fixture(autouse=True)
def _no_names_are_taken():
    keras.backend.clear_session()


@pytest.mark.parametrize("name", CLASSES)
def test_the_second_optimizer_of_a_class_has_another_name(name):
    assert [CLASSES[name]().name for _ in range(3)] == [name, f"{name}_1", f"{name}_2"]
    # One count for all who ask for a name, as that of Keras.
    assert keras.backend.get_uid(name) == 4
    assert CLASSES[name](name="given").name == "given"


@pytest.mark.parametrize("name", CLASSES)
def test_a_config_holds_the_name(name):
    (_, second) = CLASSES[name](), CLASSES[name]()
    assert CLASSES[name].from_config(second.get_config()).name == f"{name}_1"


def test_a_subclass_is_named_for_itself():
    assert [Mine().name, Mine().name, INNAprop().name] == ["mine", "mine_1", "innaprop"]


@needs_name(keras.optimizers, "MultiOptimizer")
def test_the_state_tree_of_two_optimizers_holds_both(new_model, data):
    model = new_model()
    optimizers = [INDIAN(0.1), INDIAN(0.2), INNAprop(0.3), INNAprop(0.4)]
    chosen = dict(zip((v.path for v in model.trainable_variables), optimizers, strict=True))
    optimizer = keras.optimizers.MultiOptimizer(lambda variable: chosen[variable.path])
    model.compile(optimizer, loss="mse")
    model.fit(*data, epochs=1, verbose=0)
    tree = model.get_state_tree("numpy_array")["optimizer_variables"]
    rates = {name: tree[name]["learning_rate"] for name in ("indian", "indian_1", "innaprop", "innaprop_1")}
    np.testing.assert_allclose(list(rates.values()), [0.1, 0.2, 0.3, 0.4])


@pytest.mark.slow
def test_a_model_is_loaded_beside_other_optimizers(tmp_path, new_model, data):
    model = new_model()
    model.compile(optimizer="indian", loss="mse")
    model.fit(*data, batch_size=16, verbose=0)
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "model.weights.h5")
    others = [INDIAN(), INNAprop(), INDIAN()]
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    again = new_model()
    again.compile(optimizer=INDIAN(), loss="mse")
    again.optimizer.build(again.trainable_variables)
    again.load_weights(tmp_path / "model.weights.h5")
    assert again.optimizer.name not in {model.optimizer.name, *(other.name for other in others)}
    for other in (loaded, again):
        for actual, expected in zip(other.optimizer.variables, model.optimizer.variables, strict=True):
            np.testing.assert_array_equal(actual.numpy(), expected.numpy())
    for each in (model, loaded, again):
        each.fit(*data, batch_size=16, shuffle=False, verbose=0)
    for other in (loaded, again):
        for actual, expected in zip(other.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_array_equal(actual, expected)
