"""Bad input for every argument: the right error, with argument, value and range, and no crash for traced values."""

import math
import re
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from indian_jax import indian, innaprop, logarithmic_decay, phase, power_decay

RANGES = {
    "learning_rate": "a finite number >= 0",
    "alpha": "a finite number >= 0",
    "beta": "a finite number > 0",
    "initial_speed": "a finite number, 'auto' or None",
    "weight_decay": "a finite number >= 0",
    "norm_decay": "a number in [0, 1)",
    "norm_epsilon": "a finite number >= 0",
    "init_value": "a finite number >= 0",
    "power": "a finite number >= 0",
}

NOT_FINITE = [math.nan, math.inf, -math.inf, np.float32("nan"), np.array(np.inf), "jax nan"]
WRONG_TYPE = ["0.1", (0.1,), [0.1], {"a": 0.1}, True, 1j, b"1", np.array("a"), np.array(True), "jax complex"]
WRONG_SHAPE = [np.zeros(2), np.zeros((2, 2)), np.zeros(0), "jax vector"]

JAX_ARRAYS = {
    "jax nan": lambda: jnp.array(jnp.nan),
    "jax complex": lambda: jnp.array(1j),
    "jax vector": lambda: jnp.ones(3),
}


def phase_with(**hyperparameter):
    params = jnp.ones(2)
    tx = indian()
    _, state = tx.update(params, tx.init(params))
    return phase(params, state, **({"alpha": 0.5, "beta": 0.1} | hyperparameter))


ARGUMENTS = [
    *[(indian, name) for name in ("learning_rate", "alpha", "beta", "initial_speed", "weight_decay")],
    *[(indian, name) for name in ("norm_decay", "norm_epsilon")],
    *[(phase_with, name) for name in ("alpha", "beta")],
    *[(power_decay, name) for name in ("init_value", "power")],
    *[(logarithmic_decay, name) for name in ("init_value", "power")],
]

arguments = pytest.mark.parametrize(
    ("function", "name"), [pytest.param(*pair, id=f"{pair[0].__name__}-{pair[1]}") for pair in ARGUMENTS]
)


def each_with_some_of(values, count):
    """Each argument with so many of the values, in turn; the check is the core's, where each value meets it."""
    chosen = [
        (function, name, values[(count * k + j) % len(values)])
        for k, (function, name) in enumerate(ARGUMENTS)
        for j in range(count)
    ]
    ids = [f"{function.__name__}-{name}-{value!r}" for function, name, value in chosen]
    return pytest.mark.parametrize(("function", "name", "value"), chosen, ids=ids)


@pytest.fixture
def assert_refused():
    def assert_refused(function, name, value, error):
        if isinstance(value, str) and value in JAX_ARRAYS:
            value = JAX_ARRAYS[value]()
        others = {"init_value": 0.1} if function in (power_decay, logarithmic_decay) else {}
        with pytest.raises(error, match=f"^{re.escape(f'{name} must be {RANGES[name]}, got ')}"):
            function(**(others | {name: value}))

    return assert_refused


@each_with_some_of(NOT_FINITE, 2)
def test_number_that_is_not_finite(assert_refused, function, name, value):
    assert_refused(function, name, value, ValueError)


@each_with_some_of(WRONG_TYPE, 2)
def test_wrong_type(assert_refused, function, name, value):
    assert_refused(function, name, value, TypeError)


@each_with_some_of(WRONG_SHAPE, 1)
def test_wrong_shape(assert_refused, function, name, value):
    assert_refused(function, name, value, ValueError)


@arguments
def test_out_of_range(assert_refused, function, name):
    if name == "initial_speed":
        assert indian(initial_speed=-1.0)
        return
    assert_refused(function, name, -1e-9, ValueError)
    assert_refused(function, name, jnp.array(-1.0), ValueError)
    if name == "beta":
        assert_refused(function, name, 0, ValueError)
    else:
        others = {"init_value": 0.1} if function in (power_decay, logarithmic_decay) else {}
        function(**(others | {name: 0}))


@pytest.mark.parametrize("name", ["alpha", "beta", "initial_speed", "weight_decay", "norm_decay", "norm_epsilon"])
@pytest.mark.parametrize("value", [None, optax.constant_schedule(0.1)], ids=["None", "schedule"])
def test_value_that_other_arguments_take(assert_refused, name, value):
    if name in ("weight_decay", "initial_speed") and value is None:
        assert indian(**{name: None})
        return
    assert_refused(indian, name, value, TypeError)


@pytest.mark.parametrize(
    ("value", "error"),
    [(-1, ValueError), (1.5, TypeError), ("1", TypeError), (True, TypeError), (math.nan, TypeError), (None, TypeError)],
)
def test_warmup_steps(value, error):
    with pytest.raises(error, match=f"^warmup_steps must be an integer >= 0, got {re.escape(repr(value))}"):
        power_decay(0.1, warmup_steps=value)


@pytest.mark.parametrize(
    "value",
    [jnp.int32, "int8", bool, jnp.complex64, jnp.float8_e5m2, "no dtype", 3, (), jnp.ones(2), np.ones(2)],
    ids=repr,
)
@pytest.mark.parametrize("name", ["velocity_dtype", "norm_dtype"])
def test_dtype_of_the_state(name, value):
    with pytest.raises(TypeError, match=f"^{name} must be a floating dtype of 16 bits or more, or None, got "):
        indian(**{name: value})


@pytest.mark.parametrize(
    ("value", "error"), [("adam", ValueError), ("", ValueError), (1, TypeError), (True, TypeError), ([], TypeError)]
)
def test_norm(value, error):
    with pytest.raises(error, match=f"^norm must be 'rmsprop', 'adagrad' or None, got {re.escape(repr(value))}"):
        indian(norm=value)


@pytest.mark.parametrize("value", [1.0, 1.5, jnp.float32(1.0)], ids=repr)
def test_norm_decay_that_is_not_smaller_than_1(value):
    with pytest.raises(ValueError, match=r"^norm_decay must be a number in \[0, 1\), got 1"):
        innaprop(norm_decay=value)


def test_state_without_the_accumulator_of_the_norm():
    params = {"w": jnp.ones(2)}
    with pytest.raises(ValueError, match=r"^state must have the structure of the gradients, .*, got PyTreeDef\(None\)"):
        innaprop().update(params, indian().init(params), params)


@pytest.mark.parametrize("mask", ["bias", 1, 0.0, {"a": "yes"}, [True, 1], np.array([True, False])], ids=repr)
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_mask_of_something_else_than_bools(mask, weight_decay):
    with pytest.raises(
        TypeError, match=r"^mask must be a tree of bools, a function from the parameters to one, or None"
    ):
        indian(weight_decay=weight_decay, mask=mask)


def test_mask_function_to_something_else_than_bools():
    params = {"a": jnp.ones(2)}
    tx = indian(weight_decay=0.1, mask=lambda params: jax.tree.map(lambda p: p.ndim, params))
    with pytest.raises(TypeError, match=r"^mask must be a tree of bools, .* got 1 of type int"):
        tx.update(params, tx.init(params), params)


@pytest.mark.parametrize("mask", [{"b": True}, {"a": {"c": True}}, [True], {"a": True, "b": True}], ids=repr)
@pytest.mark.parametrize("as_function", [False, True])
def test_mask_of_another_structure(mask, as_function):
    params = {"a": jnp.ones(2)}
    tx = indian(weight_decay=0.1, mask=(lambda params: mask) if as_function else mask)
    with pytest.raises(ValueError, match=r"^mask must have the structure of the parameters, PyTreeDef"):
        tx.update(params, tx.init(params), params)


@pytest.mark.parametrize("jit", [False, True])
def test_weight_decay_without_params(jit):
    params = jnp.ones(2)
    message = "^params must be passed to update where weight_decay is not known to be 0, got None"
    tx = indian(weight_decay=0.1)
    with pytest.raises(ValueError, match=message):
        (jax.jit(tx.update) if jit else tx.update)(params, tx.init(params))


def test_traced_weight_decay_without_params():
    params = jnp.ones(2)
    with pytest.raises(ValueError, match=r"^params must be passed to update where weight_decay is not known to be 0"):
        jax.jit(lambda decay: indian(weight_decay=decay).update(params, indian().init(params)))(0.0)


@pytest.mark.parametrize("zero", [0, 0.0, np.float32(0), np.zeros(()), jnp.zeros(()), None], ids=repr)
def test_weight_decay_known_to_be_zero_needs_no_params(zero):
    params = jnp.ones(2)
    indian(weight_decay=zero).update(params, indian().init(params))


@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf])
def test_traced_values_are_not_checked(value):
    params = jnp.ones(2)

    def step(value):
        tx = indian(value, value, value, initial_speed=value, weight_decay=value)
        updates, state = tx.update(params, tx.init(params), params)
        return updates, phase(params, state, alpha=value, beta=value)

    def schedules(value):
        count = jnp.int32(3)
        return power_decay(value, warmup_steps=2)(count), logarithmic_decay(value)(count)

    jax.jit(step)(value)
    jax.eval_shape(jax.vmap(step), jnp.full(3, value))
    jax.eval_shape(jax.grad(lambda value: step(value)[0].sum()), value)
    np.testing.assert_allclose(jax.jit(schedules)(1.0), (power_decay(1.0, 0.5, 2)(3), logarithmic_decay(1.0)(3)))
    jax.eval_shape(jax.vmap(schedules), jnp.full(3, value))


@pytest.mark.parametrize("name", ["learning_rate", "alpha", "beta", "initial_speed", "weight_decay", "norm_epsilon"])
@pytest.mark.parametrize(
    ("value", "error"),
    [(np.ones(3), ValueError), (np.ones(0), ValueError), (np.array(1j), TypeError), (np.array(True), TypeError)],
    ids=repr,
)
def test_dtype_and_shape_of_traced_values_are_checked(name, value, error):
    with pytest.raises(error, match=f"^{name} must be {RANGES[name]}, got an array of "):
        jax.jit(lambda value: indian(**{name: value}).init(jnp.ones(3)))(value)


@pytest.mark.parametrize("number", [jnp.full(1, 0.1), jnp.full((1, 1), 0.1)], ids=["(1,)", "(1, 1)"])
def test_one_number_in_an_array_leaves_the_shapes_alone(number):
    params = jnp.ones(())

    def step(value):
        tx = indian(value, value, value, initial_speed=value, weight_decay=value)
        return tx.update(params, tx.init(params), params)

    for updates, state in (step(number), jax.jit(step)(number)):
        assert updates.shape == state.velocity.shape == ()
    updates, _ = indian(lambda count: number).update(params, indian().init(params))
    assert updates.shape == ()


def test_schedule_of_another_shape_is_refused():
    params = jnp.ones(3)
    tx = indian(lambda count: jnp.ones(3))
    with pytest.raises(ValueError, match=r"^learning_rate must be a schedule of single numbers, got an array of shape"):
        tx.update(params, tx.init(params))


@pytest.mark.parametrize("number", [1, np.int64(1), np.float16(1), np.ones(()), np.ones((1, 1)), Fraction(1)], ids=repr)
def test_every_kind_of_number_is_taken(number, assert_trees_equal):
    params = jnp.ones(2)
    tx = indian(number, number, number, initial_speed=number, weight_decay=number)
    expected = indian(1.0, 1.0, 1.0, initial_speed=1.0, weight_decay=1.0)
    actual = tx.update(params, tx.init(params), params)
    assert_trees_equal(actual, expected.update(params, expected.init(params), params))


def test_learning_rate_zero_moves_nothing():
    params = jnp.ones(2)
    updates, _ = indian(0.0).update(params, indian().init(params))
    assert not jnp.any(updates)


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("shape", [(), (1,), (2, 3)])
@pytest.mark.parametrize("name", ["gradient", "params"])
def test_an_array_of_another_shape_is_refused_by_the_name_of_its_leaf(name, shape, jit):
    """Arithmetic would broadcast it, and the state would keep its shape."""
    params = {"dense": {"kernel": jnp.ones(2), "bias": jnp.ones(3)}}
    wrong = {"dense": {"kernel": jnp.ones(2), "bias": jnp.ones(shape)}}
    tx = indian(weight_decay=0.1)
    update = jax.jit(tx.update) if jit else tx.update
    message = f"{name}['dense']['bias'] must be of shape (3,), got an array of shape {shape}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        update(wrong if name == "gradient" else params, tx.init(params), wrong if name == "params" else params)


def test_a_gradient_of_another_shape_in_a_tree_that_is_an_array():
    tx = indian()
    with pytest.raises(ValueError, match=r"^gradient must be of shape \(3,\), got an array of shape \(2,\)"):
        tx.update(jnp.ones(2), tx.init(jnp.ones(3)))


FULL = {"dense": {"kernel": np.ones(2), "bias": np.ones(3)}, "scale": (np.ones(1), np.ones(1))}


@pytest.mark.parametrize(
    ("other", "problem"),
    [
        pytest.param({"dense": FULL["dense"]}, "it lacks the leaf ['scale'][0]", id="missing"),
        pytest.param(FULL | {"new": np.ones(1)}, "it has a leaf ['new']", id="additional"),
        pytest.param(FULL | {"dense": {"kernel": np.ones(2)}}, "it lacks the leaf ['dense']['bias']", id="nested"),
        pytest.param(FULL | {"dense": np.ones(2)}, "it has a leaf ['dense']", id="leaf for a tree"),
        pytest.param(FULL | {"scale": [np.ones(1)] * 2}, "its nodes are of other types", id="list for a tuple"),
        pytest.param(np.ones(2), "it has a leaf at its root", id="array"),
    ],
)
@pytest.mark.parametrize("name", ["state", "params"])
def test_trees_that_do_not_fit_name_the_leaf(name, other, problem):
    good, other = (jax.tree.map(jnp.asarray, tree) for tree in (FULL, other))
    tx = indian(weight_decay=0.1)
    state = tx.init(other if name == "state" else good)
    with pytest.raises(ValueError, match=f"^{name} must have the structure of the gradients, .*{re.escape(problem)}$"):
        tx.update(good, state, other if name == "params" else good)


NO_LEAF = {"tree": {"k": np.ones(3)}, "list": [np.ones(3)], "empty": {}, "masked": optax.MaskedNode(), "None": None}
"""What `jax.tree.map` takes where another tree has a leaf."""


@pytest.mark.parametrize("inner", NO_LEAF.values(), ids=NO_LEAF)
@pytest.mark.parametrize("name", ["state", "params"])
def test_a_tree_or_nothing_in_the_place_of_a_leaf_names_it(name, inner):
    good = {"a": jnp.ones(2), "b": jnp.ones(3)}
    other = jax.tree.map(jnp.asarray, good | {"b": inner})
    tx = indian(weight_decay=0.1)
    state = tx.init(other if name == "state" else good)
    with pytest.raises(ValueError, match=rf"^{name} must have the structure of the gradients, .*\['b'\]"):
        tx.update(good, state, other if name == "params" else good)


@pytest.mark.parametrize("accumulator", [None, np.ones(1), np.ones(()), np.ones((2, 3))], ids=repr)
def test_an_accumulator_that_does_not_fit_names_the_leaf(accumulator):
    params = {"a": jnp.ones(2), "b": jnp.ones(3)}
    state = innaprop().init(params)
    with pytest.raises(ValueError, match=r"\['b'\]"):
        innaprop().update(params, state._replace(accumulator=params | {"b": accumulator}), params)


@pytest.mark.parametrize("make", [lambda: optax.adam(0.1), lambda: optax.chain(indian())], ids=["adam", "chain"])
def test_the_state_of_another_transformation(make):
    params = jnp.ones(2)
    state = make().init(params)
    with pytest.raises(TypeError, match=r"^state must be an INDIANState, as `init` returns it, got "):
        indian().update(params, state, params)


def test_the_state_of_a_norm_where_there_is_none():
    params = jnp.ones(2)
    with pytest.raises(ValueError, match=r"^state must be one without a norm, got one with an accumulator"):
        indian().update(params, innaprop().init(params), params)


@pytest.mark.parametrize("value", [None, "0.1", 1j, object()], ids=["None", "text", "complex", "object"])
def test_a_schedule_that_returns_no_number(value):
    tx = indian(lambda count: value)
    params = jnp.ones(2)
    with pytest.raises(TypeError, match=r"^learning_rate must be a schedule of single numbers, got "):
        tx.update(params, tx.init(params), params)


def test_an_injected_norm_decay_that_bfloat16_rounds_to_1():
    params = jnp.ones(4, jnp.bfloat16)
    tx = optax.inject_hyperparams(indian)(0.01, norm="rmsprop")
    with pytest.raises(TypeError, match=r"^norm_decay must be a number in \[0, 1\), .* the hyperparam_dtype float32"):
        jax.jit(tx.init)(params)
    # AdaGrad has none.
    tx = optax.inject_hyperparams(indian)(0.01, norm="adagrad")
    updates, _ = tx.update(params, tx.init(params), params)
    assert jnp.all(updates < 0)


def test_a_mask_that_does_not_fit_names_the_leaf():
    params = jax.tree.map(jnp.asarray, FULL)
    tx = indian(weight_decay=0.1, mask={"dense": {"kernel": True, "bais": False}, "scale": True})
    with pytest.raises(ValueError, match=r"it has a leaf \['dense'\]\['bais'\]$"):
        tx.update(params, tx.init(params), params)


def test_a_gradient_none_fits_every_tree():
    params = jax.tree.map(jnp.asarray, FULL)
    tx = indian(weight_decay=0.1)
    updates, state = tx.update(params | {"dense": None}, tx.init(params), params)
    assert updates["dense"] is None
    assert state.velocity["dense"].keys() == {"kernel", "bias"}


def test_a_mask_may_have_leaves_where_the_gradient_is_none():
    params = jax.tree.map(jnp.asarray, FULL)
    tx = indian(weight_decay=0.1, mask={"dense": {"kernel": True, "bias": False}, "scale": True})
    updates, _ = tx.update(params | {"dense": None}, tx.init(params), params)
    assert updates["dense"] is None


def test_missing_params_are_the_kind_of_error_that_optax_raises():
    params = jnp.ones(2)
    with pytest.raises(ValueError, match="params") as theirs:
        optax.adamw(0.1).update(params, optax.adamw(0.1).init(params))
    with pytest.raises(ValueError, match="params") as ours:
        indian(0.1, weight_decay=0.1).update(params, indian().init(params))
    assert ours.type is theirs.type
