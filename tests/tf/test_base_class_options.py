"""What every Keras optimizer can do: clipping, accumulation, averaging, loss scaling."""

import inspect

import keras
import numpy as np
import pytest

from indian_core.reference import PhaseForm
from indian_tf import INDIAN
from tests.releases import needs_name

GRADIENTS = np.array([[3.0, -4.0], [0.1, 0.2], [-6.0, 0.5], [2.0, 2.0], [0.0, -1.0], [0.3, 0.1]])


@pytest.mark.parametrize(
    "options",
    [
        {"clipnorm": 1.0},
        {"clipvalue": 0.5},
        {"global_clipnorm": 2.0},
        {"use_ema": True, "ema_momentum": 0.9, "ema_overwrite_frequency": 3},
        {"loss_scale_factor": 4.0},
        {"gradient_accumulation_steps": 2},
        {"weight_decay": 0.1},
        {"name": "another"},
    ],
    ids=lambda options: next(iter(options)),
)
def test_keywords_of_the_base_class_reach_it(options):
    config = INDIAN(**options).get_config()
    assert {name: config[name] for name in options} == options


def test_no_keyword_of_the_base_class_is_missing():
    # The constructor of the base class itself hides its keywords on TensorFlow.
    keras_own = inspect.signature(keras.optimizers.Adam.__init__).parameters
    own = inspect.signature(INDIAN.__init__).parameters
    shared = set(keras_own) - {"beta_1", "beta_2", "epsilon", "amsgrad"}
    assert shared <= set(own)
    for name in shared - {"learning_rate", "weight_decay", "name"}:
        assert own[name].default == keras_own[name].default, name


def _norm_clipped(gradients, norm):
    return [g * min(1.0, norm / np.linalg.norm(g)) for g in gradients]


def _globally_clipped(gradients, norm):
    scale = min(1.0, norm / np.sqrt(sum(np.sum(g**2) for g in gradients)))
    return [g * scale for g in gradients]


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(
    ("options", "clip"),
    [
        pytest.param({"clipnorm": 1.0}, lambda gradients: _norm_clipped(gradients, 1.0), id="clipnorm"),
        pytest.param({"clipvalue": 0.5}, lambda gs: [np.clip(g, -0.5, 0.5) for g in gs], id="clipvalue"),
        pytest.param({"global_clipnorm": 1.0}, lambda gradients: _globally_clipped(gradients, 1.0), id="global"),
    ],
)
def test_clipping_equals_clipping_by_hand(apply, options, clip):
    optimizer, forms = INDIAN(learning_rate=0.1, **options), [PhaseForm([1.0, 2.0]), PhaseForm([3.0])]
    variables = [keras.Variable(form.theta, dtype="float64") for form in forms]
    for row in GRADIENTS:
        gradients = [row, row[:1] + 0.1]
        apply(optimizer, gradients, variables)
        for form, clipped in zip(forms, clip(gradients), strict=True):
            form.step(clipped, 0.1)
    for variable, form in zip(variables, forms, strict=True):
        np.testing.assert_allclose(variable.numpy(), form.theta, rtol=1e-6)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("accumulated", [2, 3])
@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
def test_accumulated_gradients_make_one_step_on_their_mean(apply, accumulated, weight_decay):
    options = {"alpha": 0.5, "beta": 0.2, "initial_speed": 0.7, "weight_decay": weight_decay}
    optimizer = INDIAN(learning_rate=0.1, gradient_accumulation_steps=accumulated, **options)
    reference = PhaseForm([1.0, 2.0], **options)
    variable = keras.Variable(reference.theta, dtype="float64")
    for k, gradient in enumerate(GRADIENTS):
        apply(optimizer, [gradient], [variable])
        if (k + 1) % accumulated == 0:
            reference.step(GRADIENTS[k + 1 - accumulated : k + 1].mean(axis=0), 0.1)
            np.testing.assert_allclose(optimizer.phase(variable), reference.phase, rtol=1e-12)
        np.testing.assert_allclose(variable.numpy(), reference.theta, rtol=1e-12, err_msg=f"micro-step {k}")


@pytest.mark.usefixtures("float64")
def test_a_variable_that_joins_during_accumulation_starts_with_its_own_first_update(apply):
    optimizer = INDIAN(learning_rate=0.1, beta=0.3, gradient_accumulation_steps=2)
    early, late = PhaseForm([1.0], beta=0.3), PhaseForm([2.0], beta=0.3)
    variables = [keras.Variable(form.theta, dtype="float64") for form in (early, late)]
    for k in range(6):
        if k < 2:
            with pytest.warns(UserWarning, match="Gradients do not exist"):
                apply(optimizer, [[1.0], None], variables)
        else:
            apply(optimizer, [[1.0], [3.0]], variables)
        if k % 2:
            early.step([1.0], 0.1)
        if k in (3, 5):
            late.step([3.0], 0.1)
    np.testing.assert_allclose([v.numpy() for v in variables], [early.theta, late.theta], rtol=1e-12)


@pytest.mark.usefixtures("float64")
def test_the_average_of_the_variables_is_the_one_keras_defines(apply):
    optimizer = INDIAN(learning_rate=0.1, use_ema=True, ema_momentum=0.75)
    reference, average = PhaseForm([1.0, 2.0]), None
    variable = keras.Variable(reference.theta, dtype="float64")
    for gradient in GRADIENTS:
        apply(optimizer, [gradient], [variable])
        reference.step(gradient, 0.1)
        average = reference.theta if average is None else 0.75 * average + 0.25 * reference.theta
        np.testing.assert_allclose(variable.numpy(), reference.theta, rtol=1e-12)
    optimizer.finalize_variable_values([variable])
    np.testing.assert_allclose(variable.numpy(), average, rtol=1e-12)


@pytest.mark.usefixtures("float64")
def test_overwriting_with_the_average_leaves_the_velocity_alone(apply):
    damping, averaging = {"alpha": 0.5, "beta": 0.2}, {"ema_momentum": 0.75, "ema_overwrite_frequency": 3}
    optimizer, form = INDIAN(learning_rate=0.1, use_ema=True, **damping, **averaging), PhaseForm([1.0, 2.0], **damping)
    variable, average = keras.Variable([1.0, 2.0], dtype="float64"), None
    for k, gradient in enumerate(GRADIENTS):
        apply(optimizer, [gradient], [variable])
        form.step(gradient, 0.1)
        average = form.theta if average is None else 0.75 * average + 0.25 * form.theta
        if (k + 1) % 3 == 0:
            # The same translation of θ and, because the velocity stays, of (1 − αβ)θ in ψ.
            form.phase = form.phase + (1 - 0.5 * 0.2) * (average - form.theta)
            form.theta = average
    np.testing.assert_allclose(variable.numpy(), form.theta, rtol=1e-12)


@pytest.mark.usefixtures("float64")
def test_a_loss_scale_factor_is_divided_out(apply):
    optimizer, reference = INDIAN(learning_rate=0.1, loss_scale_factor=8.0), PhaseForm([1.0, 2.0])
    variable = keras.Variable(reference.theta, dtype="float64")
    assert optimizer.scale_loss(3.0) == 24.0
    for gradient in GRADIENTS:
        apply(optimizer, [8.0 * gradient], [variable])
        reference.step(gradient, 0.1)
    np.testing.assert_allclose(variable.numpy(), reference.theta, rtol=1e-12)


@pytest.mark.usefixtures("float64")
def test_a_step_that_loss_scaling_skips_does_not_count_as_the_first(apply):
    inner, reference = INDIAN(learning_rate=0.1, beta=0.3), PhaseForm([1.0, 2.0], beta=0.3)
    optimizer = keras.optimizers.LossScaleOptimizer(inner, initial_scale=8.0)
    variable = keras.Variable(reference.theta, dtype="float64")
    if keras.backend.backend() == "jax":
        apply = _apply_statelessly()
    apply(optimizer, [[np.inf, 1.0]], [variable])
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(variable), reference.theta)
    for gradient in GRADIENTS:
        apply(optimizer, [4.0 * gradient], [variable])
        reference.step(gradient, 0.1)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(variable), reference.theta, rtol=1e-12)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(inner.phase(variable)), reference.phase, rtol=1e-12)


def _apply_statelessly():
    """On JAX a LossScaleOptimizer works only in this way, whichever optimizer is in it."""

    def step(optimizer, gradients, variables):
        if not optimizer.built:
            optimizer.build(variables)
        state = [v.value for v in optimizer.variables]
        new_values, new_state = optimizer.stateless_apply(
            state, [keras.ops.convert_to_tensor(g, "float64") for g in gradients], [v.value for v in variables]
        )
        for variable, value in zip(variables + optimizer.variables, new_values + new_state, strict=True):
            variable.assign(value)

    return step


@needs_name(keras.optimizers, "MultiOptimizer")
@pytest.mark.usefixtures("float64")
def test_one_optimizer_per_variable_inside_a_multi_optimizer(apply):
    """A hyperparameter per group of variables, as Keras offers it."""
    forms = [PhaseForm([1.0], alpha=0.5, beta=0.1), PhaseForm([1.0], alpha=1.5, beta=0.4)]
    variables = [keras.Variable([1.0], dtype="float64", name=name) for name in ("kernel", "bias")]
    per_name = {
        "kernel": INDIAN(learning_rate=0.1, alpha=0.5, beta=0.1),
        "bias": INDIAN(learning_rate=0.05, alpha=1.5, beta=0.4),
    }
    optimizer = keras.optimizers.MultiOptimizer(lambda variable: per_name[variable.name])
    for _ in range(5):
        apply(optimizer, [[0.5], [0.5]], variables)
        forms[0].step([0.5], 0.1)
        forms[1].step([0.5], 0.05)
    np.testing.assert_allclose([v.numpy() for v in variables], [form.theta for form in forms], rtol=1e-12)
