"""Bad input of the trust region: the right error, which names argument, value and range, before any computation."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from indian_jax import CompositeLoss, indian
from indian_jax.ellipsoidal_trust_region import trust_region

PARAMS = {"a": jnp.ones(3), "b": jnp.ones(())}


def loss(params):
    return jnp.sum(params["a"] ** 2) + params["b"] ** 2


def update(tx=None, params=PARAMS, state=None, **changed):
    tx = trust_region() if tx is None else tx
    arguments = {"value": 4.0, "grad": PARAMS, "value_fn": loss} | changed
    return tx.update(PARAMS, tx.init(PARAMS) if state is None else state, params, **arguments)


@pytest.mark.parametrize(
    ("name", "value", "error", "message"),
    [
        ("norm", "euclidean", ValueError, "norm must be 'rmsprop', 'adagrad' or None, got 'euclidean'"),
        ("norm", 2, TypeError, "norm must be 'rmsprop', 'adagrad' or None, got 2 of type int"),
        ("curvature", "fisher", ValueError, "curvature must be 'hessian', 'gauss_newton' or 'none'"),
        ("subproblem", None, TypeError, "subproblem must be 'steihaug' or 'lanczos', got None"),
        ("radius", 0.0, ValueError, "radius must be a finite number > 0, got 0.0"),
        ("radius", np.float32("inf"), ValueError, "radius must be"),
        ("radius", jnp.ones(2), ValueError, "radius must be a finite number > 0, got an array of shape"),
        ("max_radius", 1e-9, ValueError, "radius must be at most max_radius = 1e-09, got 0.0001"),
        ("accept_ratio", 0.96, ValueError, "accept_ratio must be at most expand_ratio = 0.95"),
        ("expand_ratio", 1.5, ValueError, "expand_ratio must be"),
        ("expand_factor", 0.9, ValueError, "expand_factor must be a finite number >= 1, got 0.9"),
        ("shrink_factor", 1, ValueError, "shrink_factor must be a finite number > 1, got 1"),
        ("tolerance", math.nan, ValueError, "tolerance must be"),
        ("max_iterations", 0, ValueError, "max_iterations must be an integer >= 1, got 0"),
        ("max_iterations", 2.0, TypeError, "max_iterations must be an integer"),
        ("max_iterations", jnp.int32(5), TypeError, "max_iterations must be a Python integer, got 5; with optax"),
        ("norm_decay", 1.0, ValueError, r"norm_decay must be a number in \[0, 1\), got 1.0"),
        ("norm_epsilon", "1e-8", TypeError, "norm_epsilon must be"),
    ],
)
def test_hyperparameter_out_of_its_range(name, value, error, message):
    with pytest.raises(error, match=message):
        trust_region(**{name: value})


def test_traced_hyperparameters_are_checked_for_dtype_and_shape():
    def radius_of(value, **others):
        return jax.eval_shape(lambda value: trust_region(radius=value, **others).init(PARAMS), value)

    radius_of(jnp.float32(0.5))
    radius_of(jnp.float32(0.5), max_radius=1e-6)
    with pytest.raises(TypeError, match="radius must be a finite number > 0, got an array of dtype bool"):
        radius_of(jnp.array(True))
    with pytest.raises(ValueError, match="radius must be a finite number > 0, got an array of shape"):
        radius_of(jnp.ones(2))
    with pytest.raises(ValueError, match="max_radius must be a finite number > 0, got -1"):
        radius_of(jnp.float32(0.5), max_radius=-1.0)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "int32", "complex64"])
def test_parameters_of_another_dtype(dtype):
    with pytest.raises(TypeError, match=rf"params\['a'\] must be of dtype float32 or float64, got {dtype}"):
        trust_region().init({"a": jnp.ones(2, dtype)})


@pytest.mark.parametrize("missing", ["value", "grad", "value_fn"])
def test_missing_argument_of_update_is_the_error_of_lbfgs(missing):
    params = jnp.ones(2)
    arguments = {"value": 2.0, "grad": params, "value_fn": jnp.sum}
    del arguments[missing]
    for tx in (trust_region(), optax.lbfgs()):
        with pytest.raises(TypeError, match=f"missing 1 required keyword-only argument: '{missing}'"):
            tx.update(params, tx.init(params), params, **arguments)


def test_missing_params():
    with pytest.raises(ValueError, match="params must be passed to update, got None"):
        update(params=None)


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"value": jnp.ones(1)}, ValueError, r"value must be a scalar, got an array of shape \(1,\)"),
        ({"value": 1}, TypeError, "value must be a real floating scalar, got one of dtype int32"),
        ({"value": None}, TypeError, "value must be a scalar and nothing else, got None"),
        ({"grad": {"a": PARAMS["a"]}}, ValueError, r"grad must have the structure of params.*lacks the leaf \['b'\]"),
        ({"grad": PARAMS | {"a": jnp.ones(4)}}, ValueError, r"grad\['a'\] must be of shape \(3,\)"),
        ({"params": {"a": PARAMS["a"]}}, ValueError, "grad must have the structure of params"),
        ({"value_fn": lambda params: params["a"]}, ValueError, r"the value of value_fn must be a scalar, .* \(3,\)"),
        ({"value_fn": lambda params: (loss(params), 1)}, TypeError, "must be a scalar and nothing else"),
        (
            {"value_fn": lambda params: jnp.int32(1)},
            TypeError,
            "must be a real floating scalar, got one of dtype int32",
        ),
        ({"value_fn": lambda params: loss(params) + 0j}, TypeError, "real floating scalar, got one of dtype complex64"),
        ({"value_fn": lambda params: loss(PARAMS)}, ValueError, "value_fn must depend on its first argument"),
        (
            {"value_fn": lambda params: loss(jax.lax.stop_gradient(params))},
            ValueError,
            "value_fn must depend on its first argument, the parameters, got one whose gradient is 0",
        ),
        ({"batch": 1}, TypeError, "value_fn must take the keyword arguments of update, got batch, which it lacks"),
        ({"tx": trust_region(curvature="gauss_newton")}, TypeError, "must be a CompositeLoss .*, got <function loss"),
    ],
)
def test_argument_of_update(changed, error, message):
    with pytest.raises(error, match=message):
        update(**changed)


def test_state_of_other_parameters():
    with pytest.raises(ValueError, match="state must have the structure of params"):
        trust_region().update(PARAMS, trust_region().init(jnp.ones(2)), PARAMS, value=1.0, grad=PARAMS, value_fn=loss)


@jax.custom_vjp
def reversible_only(x):
    return x * x


reversible_only.defvjp(lambda x: (x * x, x), lambda x, cotangent: (2 * x * cotangent,))


@jax.custom_vjp
def with_callback(x):
    return x * x


def _call_back(x, cotangent):
    return (jax.pure_callback(lambda x, c: 2 * x * c, jax.ShapeDtypeStruct(x.shape, x.dtype), x, cotangent),)


with_callback.defvjp(lambda x: (x * x, x), _call_back)


@jax.custom_vjp
def with_schur(x):
    return x * x


def _without_a_rule(x, cotangent):
    # A diagonal matrix is its own triangular factor.
    return (2 * cotangent * jnp.diag(jax.scipy.linalg.schur(jnp.diag(x))[0]),)


with_schur.defvjp(lambda x: (x * x, x), _without_a_rule)


def loop(params):
    return jax.lax.while_loop(lambda s: s < 9, lambda s: 2 * s, loss(params))


@pytest.mark.parametrize(
    ("hyperparameters", "value_fn", "message"),
    [
        ({}, lambda params: jnp.sum(with_callback(params["a"])), "Pure callbacks do not support JVP"),
        (
            {},
            lambda params: jnp.sum(with_schur(params["a"])),
            "(Differentiation rule for 'schur'|differentiation rules for the Schur)",
        ),
        (
            {"curvature": "gauss_newton"},
            CompositeLoss(lambda params: jax.jit(reversible_only)(params["a"]), jnp.sum),
            # Old releases do not name it.
            "'gauss_newton' needs; with jax.custom_vjp, (reversible_only|a function) can be differentiated in reverse",
        ),
    ],
    ids=["callback", "no rule", "custom_vjp"],
)
def test_function_that_cannot_be_differentiated_twice_names_the_operation(hyperparameters, value_fn, message):
    with pytest.raises(TypeError, match="value_fn must have the derivatives that curvature=.*" + message):
        update(trust_region(**hyperparameters), value_fn=value_fn)


def test_function_that_cannot_be_differentiated_at_all_keeps_the_error_of_jax():
    with pytest.raises(ValueError, match=r"Reverse-mode differentiation does not work for lax\.while_loop"):
        update(value_fn=loop)


def test_derivative_rules_in_reverse_are_no_obstacle_to_the_hessian():
    def step(params):
        return update(value_fn=lambda params: jnp.sum(reversible_only(params["a"])), params=params)

    jax.eval_shape(step, PARAMS)


def test_composite_loss_refuses_arguments_that_neither_function_has():
    value_fn = CompositeLoss(lambda params, x: x @ params, lambda output, *, y: jnp.sum(output - y))
    assert value_fn(jnp.ones(2), x=jnp.ones((1, 2)), y=1.0) == 1.0
    with pytest.raises(TypeError, match="got z, which it lacks"):
        value_fn(jnp.ones(2), x=jnp.ones((1, 2)), y=1.0, z=1.0)


def test_failed_update_leaves_the_state_usable():
    tx = trust_region()
    state = tx.init(PARAMS)
    before = jax.tree.map(np.asarray, state)
    with pytest.raises(ValueError, match="must be a scalar"):
        tx.update(PARAMS, state, PARAMS, value=4.0, grad=PARAMS, value_fn=lambda params: params["a"])
    jax.tree.map(np.testing.assert_array_equal, state, before)
    jax.eval_shape(partial(tx.update, value=4.0, grad=PARAMS, value_fn=loss), PARAMS, state, PARAMS)


def state_of_another_shape():
    return trust_region().init({"a": jnp.ones(1), "b": PARAMS["b"]})


@pytest.mark.parametrize(
    ("make_state", "norm", "error", "message"),
    [
        (lambda: indian().init(PARAMS), "rmsprop", TypeError, "state must be a TrustRegionState, .* got INDIANState"),
        (lambda: optax.adam(1e-3).init(PARAMS), None, TypeError, "state must be a TrustRegionState, .* got tuple"),
        (state_of_another_shape, "rmsprop", ValueError, r"accumulator\['a'\] of the state must be of shape \(3,\)"),
        (lambda: trust_region(norm=None).init(PARAMS), "rmsprop", ValueError, "state must have the structure of par"),
        (lambda: trust_region().init(PARAMS), None, ValueError, "state must be one without a norm"),
    ],
    ids=["indian", "adam", "shape", "no norm", "norm"],
)
def test_a_state_that_is_not_of_this_transformation(make_state, norm, error, message):
    with pytest.raises(error, match=message):
        update(tx=trust_region(norm=norm), state=make_state())
