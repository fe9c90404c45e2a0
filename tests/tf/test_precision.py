"""Variables and policies of less than single precision."""

import keras
import numpy as np
import pytest

from indian_core.reference import PhaseForm
from indian_tf import INDIAN, LogarithmicDecay, PowerDecay


@pytest.fixture
def floatx():
    previous = keras.config.floatx()
    yield keras.config.set_floatx
    keras.config.set_floatx(previous)


@pytest.mark.parametrize(("dtype", "unit_roundoff"), [("bfloat16", 2.0**-8), ("float16", 2.0**-11)])
def test_the_state_has_the_dtype_of_its_variable(apply, dtype, unit_roundoff):
    optimizer, reference = INDIAN(learning_rate=0.125, alpha=0.5, beta=0.25), PhaseForm([1.0], alpha=0.5, beta=0.25)
    variable = keras.Variable([1.0], dtype=dtype)
    for _ in range(10):
        apply(optimizer, [[0.5]], [variable])
        reference.step([0.5], 0.125)
    for value in (variable, _state(optimizer, "velocity"), optimizer.phase(variable)):
        assert keras.backend.standardize_dtype(value.dtype) == dtype
    theta = keras.ops.convert_to_numpy(keras.ops.cast(variable, "float32"))
    np.testing.assert_allclose(theta, reference.theta, atol=10 * unit_roundoff)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_coefficients_are_not_rounded_to_the_dtype_of_the_variable(apply, dtype):
    """1 − αγ is 1 − 2⁻¹², which both dtypes round to 1; the gradient cancels the rest of the velocity."""
    optimizer = INDIAN(learning_rate=0.5, alpha=2.0**-11, beta=2.0**10)
    variable = keras.Variable([0.0], dtype=dtype)
    optimizer.build([variable])
    velocity, steps = (_state(optimizer, name) for name in ("velocity", "steps"))
    velocity.assign([1.0])
    steps.assign([1])
    apply(optimizer, [[4.0]], [variable])
    assert float(keras.ops.cast(velocity, "float32")[0]) == -(2.0**-12)


@pytest.mark.parametrize(("dtype", "unit_roundoff"), [("bfloat16", 2.0**-8), ("float16", 2.0**-11)])
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize("norm", [None, "rmsprop", "adagrad"])
def test_a_variable_is_rounded_once(dtype, unit_roundoff, compiled, norm, tensor):
    """1 + u(1 + 2⁻¹⁰) lies above the middle between 1 and 1 + 2u; with the displacement rounded first, upon it.

    After a first gradient of size 1, each norm is the Euclidean.
    """
    displacement = unit_roundoff * (1 + 2.0**-10)
    optimizer = INDIAN(learning_rate=1.0, beta=displacement, initial_speed=displacement, norm=norm)
    variable = keras.Variable([1.0], dtype=dtype)
    optimizer.build([variable])
    gradients = [tensor([-1.0], dtype)]
    if compiled and keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.function(lambda: optimizer.apply(gradients), jit_compile=True)()
    elif compiled and keras.backend.backend() == "jax":
        import jax

        values, state = [variable.value], [v.value for v in optimizer.variables]
        ((theta,), _) = jax.jit(optimizer.stateless_apply)(state, gradients, values)
        variable.assign(theta)
    else:
        optimizer.apply(gradients)
    assert keras.ops.convert_to_numpy(keras.ops.cast(variable, "float32")).tolist() == [1 + 2 * unit_roundoff]


def _state(optimizer, name):
    (variable,) = [v for v in optimizer.variables if v.path.endswith(name)]
    return variable


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_schedules_count_beyond_the_precision_of_floatx(floatx, name):
    floatx(name)
    assert float(PowerDecay(1.0, power=0.5)(99_999)) == pytest.approx(100_000**-0.5, rel=1e-5)
    assert float(LogarithmicDecay(1.0)(99_999)) == pytest.approx(np.log(99_999 + np.e) ** -2, rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16", "bfloat16"])
def test_a_model_trains_under_a_policy_of_less_precision(new_model, data, policy):
    previous = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = new_model()
        model.compile(optimizer=INDIAN(learning_rate=0.1), loss="mse")
        losses = model.fit(*data, batch_size=16, epochs=10, verbose=0).history["loss"]
    finally:
        keras.config.set_dtype_policy(previous)
    assert np.isfinite(losses).all()
    assert losses[-1] < 0.8 * losses[0]
    assert keras.backend.standardize_dtype(model.weights[0].dtype) == (
        "bfloat16" if policy == "bfloat16" else "float32"
    )
