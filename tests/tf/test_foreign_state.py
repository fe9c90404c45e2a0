"""The state of another optimizer, or of other variables, is not taken in, not even in part."""

import keras
import numpy as np
import pytest

from indian_tf import INDIAN, INNAprop


def variables(shapes=((3,),)):
    return [keras.Variable(np.ones(shape, "float32"), name=f"v{k}") for k, shape in enumerate(shapes)]


def built(optimizer, shapes=((3,),)):
    optimizer.build(variables(shapes))
    for k, variable in enumerate(optimizer.variables):
        variable.assign(np.full(variable.shape, k + 1, variable.dtype))
    return optimizer


def state(optimizer):
    return [variable.numpy().copy() for variable in optimizer.variables]


def store_of(optimizer):
    store = {}
    optimizer.save_own_variables(store)
    return store


FOREIGN = {
    # As many arrays as INDIAN has for one variable.
    "Adam, one variable": (INDIAN, lambda: keras.optimizers.Adam(), ((3,),)),
    "Adam, one number": (INDIAN, lambda: keras.optimizers.Adam(), ((1,),)),
    "AdamW": (INNAprop, lambda: keras.optimizers.AdamW(), ((3,), (2, 2))),
    "Nadam": (INNAprop, lambda: keras.optimizers.Nadam(), ((3,), (2, 2))),
    "SGD": (INDIAN, lambda: keras.optimizers.SGD(momentum=0.9), ((3,), (2, 2))),
    "INNAprop": (INDIAN, INNAprop, ((3,), (2, 2))),
    "INDIAN": (INNAprop, INDIAN, ((3,), (2, 2))),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_the_state_of_another_optimizer_is_left_out_and_the_warning_says_what_is_missing(name):
    cls, make, shapes = FOREIGN[name]
    optimizer, other = built(cls(), shapes), built(make(), shapes)
    before = state(optimizer)
    with pytest.warns(UserWarning, match=f"^{cls.__name__} .*not loaded.*steps.*starts anew"):
        optimizer.load_own_variables(store_of(other))
    for actual, expected in zip(state(optimizer), before, strict=True):
        np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("cls", [INDIAN, INNAprop])
def test_the_state_of_variables_in_another_order_is_left_out(cls):
    optimizer, other = built(cls(), ((3,), (2, 2))), built(cls(), ((2, 2), (3,)))
    before = state(optimizer)
    with pytest.warns(UserWarning, match=r"velocity is of shape \(3,\), the saved array of shape \(2, 2\)"):
        optimizer.load_own_variables(store_of(other))
    with pytest.raises(ValueError, match=r"velocity is of shape \(3,\), the given array of shape \(2, 2\)"):
        optimizer.set_weights(state(other))
    for actual, expected in zip(state(optimizer), before, strict=True):
        np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("cls", [INDIAN, INNAprop])
def test_its_own_state_is_taken_in(cls, recwarn):
    optimizer, other = built(cls(), ((3,), (2, 2))), built(cls(), ((3,), (2, 2)))
    for variable in other.variables:
        variable.assign(variable + 5)
    optimizer.load_own_variables(store_of(other))
    for actual, expected in zip(state(optimizer), state(other), strict=True):
        np.testing.assert_array_equal(actual, expected)
    optimizer.set_weights([2 * value for value in state(other)])
    for actual, expected in zip(state(optimizer), state(other), strict=True):
        np.testing.assert_array_equal(actual, 2 * expected)
    assert not [w for w in recwarn if issubclass(w.category, UserWarning)]


def test_weights_are_set_all_or_none():
    optimizer = built(INDIAN())
    with pytest.raises(ValueError, match=r"INDIAN has 4 arrays.*3 were given"):
        optimizer.set_weights(state(optimizer)[:3])


@pytest.mark.slow
def test_the_weights_of_a_model_trained_by_adamw_are_loaded_without_its_state(tmp_path, new_model, data):
    models = [new_model(), new_model()]
    for model, optimizer in zip(models, [keras.optimizers.AdamW(), INNAprop()], strict=True):
        model.compile(optimizer=optimizer, loss="mse")
    models[0].fit(*data, batch_size=16, verbose=0)
    models[0].save_weights(tmp_path / "state.weights.h5")
    models[1].optimizer.build(models[1].trainable_variables)
    with pytest.warns(UserWarning, match="INNAprop .*not loaded"):
        models[1].load_weights(tmp_path / "state.weights.h5")
    for actual, expected in zip(models[1].get_weights(), models[0].get_weights(), strict=True):
        np.testing.assert_array_equal(actual, expected)
    models[1].fit(*data, batch_size=16, verbose=0)
    assert int(models[1].optimizer.iterations) == 2
