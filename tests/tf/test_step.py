"""The steps that variables take, against the phase form of the paper in float64."""

import keras
import numpy as np
import pytest

from indian_core import from_momentum_sgd, schedules
from indian_core.reference import PhaseForm
from indian_tf import INDIAN, LogarithmicDecay, PowerDecay
from tests.releases import needs

pytestmark = pytest.mark.usefixtures("float64")


@pytest.mark.parametrize(
    ("learning_rate", "alpha", "beta"),
    [
        pytest.param(0.1, 0.1, 0.1, id="paper-0.1-0.1"),
        pytest.param(0.1, 0.5, 0.1, id="gamma=beta"),
        pytest.param(0.05, 0.5, 0.5, id="paper-0.5-0.5"),
        pytest.param(0.05, 0.5, 1.0, id="paper-0.5-1"),
        pytest.param(0.05, 1.3, 0.1, id="paper-1.3-0.1"),
        pytest.param(0.05, 2.0, 2.0, id="paper-2-2"),
        pytest.param(0.1, 5.0, 0.2, id="alpha*beta=1"),
        pytest.param(0.5, 2.0, 0.1, id="alpha*gamma=1"),
        pytest.param(0.1, 0.0, 0.2, id="alpha=0"),
        pytest.param(0.4, 0.5, 0.1, id="gamma>beta"),
        pytest.param(0.0, 0.5, 0.1, id="gamma=0"),
    ],
)
def test_steps_follow_the_phase_form(assert_follows_reference, learning_rate, alpha, beta):
    optimizer = INDIAN(learning_rate=learning_rate, alpha=alpha, beta=beta)
    assert_follows_reference(optimizer, step_size=learning_rate, alpha=alpha, beta=beta)


@pytest.mark.parametrize("initial_speed", [0.0, 0.1, 1.0, -0.5])
@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
def test_initial_speed_and_weight_decay_follow_the_phase_form(assert_follows_reference, initial_speed, weight_decay):
    options = {"alpha": 0.5, "beta": 0.1, "initial_speed": initial_speed, "weight_decay": weight_decay}
    assert_follows_reference(INDIAN(learning_rate=0.05, **options), step_size=0.05, **options)


def test_a_decay_that_leaves_nothing_of_a_variable_leaves_its_velocity(assert_follows_reference):
    options = {"alpha": 0.3, "beta": 0.7, "weight_decay": 2.0}
    assert_follows_reference(INDIAN(learning_rate=0.5, **options), step_size=0.5, steps=5, **options)


def test_weight_decay_of_none_is_no_decay(assert_follows_reference):
    assert_follows_reference(INDIAN(learning_rate=0.05, weight_decay=None), step_size=0.05, weight_decay=0.0)


@pytest.mark.parametrize(
    ("learning_rate", "step_size"),
    [
        pytest.param(lambda: PowerDecay(0.1), schedules.PowerDecay(0.1), id="PowerDecay"),
        pytest.param(
            lambda: PowerDecay(0.1, power=0.25, warmup_steps=5),
            schedules.PowerDecay(0.1, 0.25, 5),
            id="PowerDecay-warmup",
        ),
        pytest.param(lambda: LogarithmicDecay(0.1), schedules.LogarithmicDecay(0.1), id="LogarithmicDecay"),
        pytest.param(
            # Powers of two: on TensorFlow, Keras' schedules compute in float32.
            lambda: keras.optimizers.schedules.PolynomialDecay(0.125, decay_steps=16, end_learning_rate=0.0625),
            lambda k: 0.125 - 0.0625 * min(k, 16) / 16,
            id="Keras-PolynomialDecay",
        ),
        pytest.param(
            lambda: keras.optimizers.schedules.PiecewiseConstantDecay([4, 9], [0.125, 0.0625, 0.03125]),
            lambda k: 0.125 if k <= 4 else 0.0625 if k <= 9 else 0.03125,
            id="Keras-PiecewiseConstantDecay",
        ),
        pytest.param(lambda: lambda: 0.07, 0.07, id="function"),
    ],
)
def test_scheduled_step_sizes_follow_the_phase_form(assert_follows_reference, learning_rate, step_size):
    optimizer = INDIAN(learning_rate=learning_rate(), alpha=0.5, beta=0.1)
    assert_follows_reference(optimizer, step_size=step_size, alpha=0.5, beta=0.1)


def test_a_new_learning_rate_holds_from_the_next_step_on(apply):
    optimizer, reference = INDIAN(learning_rate=0.1), PhaseForm([1.0, 2.0])
    variable = keras.Variable(reference.theta, dtype="float64")
    for step_size in (0.1, 0.1, 0.02, 0.3):
        optimizer.learning_rate = step_size
        apply(optimizer, [[0.5, -1.0]], [variable])
        reference.step([0.5, -1.0], step_size)
    np.testing.assert_allclose(variable.numpy(), reference.theta, rtol=1e-12)


def test_a_variable_starts_when_its_first_gradient_comes(apply):
    optimizer = INDIAN(learning_rate=0.1, alpha=0.5, beta=0.2)
    early, late = (PhaseForm(start, alpha=0.5, beta=0.2) for start in ([1.0, 2.0], [[3.0]]))
    variables = [keras.Variable(form.theta, dtype="float64") for form in (early, late)]
    for k in range(6):
        late_gradient = [[1.0 + k]] if k in (2, 3, 5) else None
        if late_gradient is None:
            with pytest.warns(UserWarning, match="Gradients do not exist"):
                apply(optimizer, [[0.5, -1.0], None], variables)
        else:
            apply(optimizer, [[0.5, -1.0], late_gradient], variables)
            late.step(late_gradient, 0.1)
        early.step([0.5, -1.0], 0.1)
        np.testing.assert_allclose(variables[0].numpy(), early.theta, rtol=1e-12)
        np.testing.assert_allclose(variables[1].numpy(), late.theta, rtol=1e-12)


@pytest.mark.parametrize("by", ["var_list", "var_names"])
def test_excluded_variables_do_not_decay(apply, by):
    options = {"alpha": 0.5, "beta": 0.1, "weight_decay": 0.5}
    optimizer, decayed = INDIAN(learning_rate=0.1, **options), PhaseForm([1.0], **options)
    exempt = PhaseForm([1.0], **options | {"weight_decay": 0.0})
    variables = [keras.Variable([1.0], dtype="float64", name=name) for name in ("kernel", "offset")]
    optimizer.exclude_from_weight_decay(**{by: [variables[1] if by == "var_list" else "offset"]})
    for _ in range(5):
        apply(optimizer, [[0.1], [0.1]], variables)
        decayed.step([0.1], 0.1)
        exempt.step([0.1], 0.1)
    np.testing.assert_allclose([v.numpy() for v in variables], [decayed.theta, exempt.theta], rtol=1e-12)


@pytest.mark.parametrize(
    ("pattern", "exempt"),
    [("bias", {"bias"}), ("bias$", {"bias"}), ("^bias", {"bias"}), ("norm_head", set()), (":0", set())],
)
def test_the_names_of_exempt_variables_are_those_that_keras_gives_on_every_backend(apply, pattern, exempt):
    """TensorFlow's own variables, which its backend steps, have the path for a name: norm_head/bias:0."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, name="norm_head", dtype="float64")])
    optimizer, variables = INDIAN(learning_rate=0.1, weight_decay=0.5), model.trainable_variables
    optimizer.exclude_from_weight_decay(var_names=[pattern])
    for variable in variables:
        variable.assign(np.ones(variable.shape))
    apply(optimizer, [np.zeros(variable.shape) for variable in variables], variables)
    # Without a gradient nothing but the decay moves a variable.
    assert {variable.name for variable in variables if (variable.numpy() == 1).all()} == exempt


@pytest.mark.parametrize("shape", [(), (0,), (2, 0), (1, 1), (2, 3, 2)])
def test_variables_of_any_shape_move_alike(apply, shape):
    optimizer, reference = INDIAN(learning_rate=0.1), PhaseForm(np.ones(shape))
    variable = keras.Variable(reference.theta, dtype="float64")
    for _ in range(3):
        apply(optimizer, [np.full(shape, 0.5)], [variable])
        reference.step(np.full(shape, 0.5), 0.1)
    assert variable.shape == shape
    np.testing.assert_allclose(variable.numpy(), reference.theta, rtol=1e-12)


def test_a_constraint_is_applied_after_the_step(apply):
    variable = keras.Variable([1.0, 1.0], dtype="float64")
    variable.constraint = keras.constraints.NonNeg()
    optimizer = INDIAN(learning_rate=0.5, initial_speed=1.0)
    apply(optimizer, [[4.0, 0.5]], [variable])
    np.testing.assert_allclose(variable.numpy(), [0.0, 0.75], rtol=1e-12)


@pytest.mark.parametrize("nesterov", [False, True])
def test_keras_sgd_with_momentum_is_a_member_of_the_family(apply, gradient, nesterov):
    # On TensorFlow, Keras rounds a momentum to float32.
    momentum = 0.875
    optimizers = [
        keras.optimizers.SGD(0.04, momentum=momentum, nesterov=nesterov),
        INDIAN(**from_momentum_sgd(0.04, momentum, nesterov=nesterov)._asdict()),
    ]
    variables = [keras.Variable([1.0, -2.0], dtype="float64") for _ in optimizers]
    for k in range(100):
        for optimizer, variable in zip(optimizers, variables, strict=True):
            apply(optimizer, [gradient(variable.numpy(), k)], [variable])
    np.testing.assert_allclose(variables[1].numpy(), variables[0].numpy(), rtol=1e-11)


@pytest.mark.parametrize(
    "learning_rate", [1, np.int64(1), np.float32(1), np.float64(1), np.array(1.0), np.array([1.0])]
)
def test_a_learning_rate_may_be_any_number(assert_follows_reference, learning_rate):
    optimizer = INDIAN(learning_rate=learning_rate, alpha=np.float32(0.5), beta=np.array(0.25), initial_speed=1)
    assert_follows_reference(optimizer, step_size=1.0, alpha=0.5, beta=0.25, initial_speed=1.0, steps=5)


def test_double_precision_variables_keep_it_while_floatx_is_float32(apply):
    keras.config.set_floatx("float32")
    optimizer, reference = INDIAN(learning_rate=0.125, alpha=0.3, beta=0.7), PhaseForm([1 / 3], alpha=0.3, beta=0.7)
    variable = keras.Variable(reference.theta, dtype="float64")
    for _ in range(10):
        apply(optimizer, [variable.numpy()], [variable])
        reference.step(reference.theta, 0.125)
    assert keras.backend.standardize_dtype(variable.dtype) == "float64"
    np.testing.assert_allclose(variable.numpy(), reference.theta, rtol=1e-13)


def test_variables_of_several_dtypes_move_each_in_its_own(apply):
    optimizer = INDIAN(learning_rate=0.125, alpha=0.3, beta=0.7, weight_decay=0.5)
    variables = [keras.Variable([1 / 3, -0.7], dtype=dtype) for dtype in ("float32", "float64", "bfloat16", "float16")]
    form = PhaseForm([1 / 3, -0.7], alpha=0.3, beta=0.7, weight_decay=0.5)
    for _ in range(10):
        apply(optimizer, [form.theta] * len(variables), variables)
        form.step(form.theta, 0.125)
    for variable, rtol in zip(variables, (1e-6, 1e-12, 0.1, 0.02), strict=True):
        theta = keras.ops.convert_to_numpy(keras.ops.cast(variable, "float64"))
        np.testing.assert_allclose(theta, form.theta, rtol=rtol)


@pytest.mark.parametrize("options", [{}, {"clipvalue": 1.0}, {"clipnorm": 1.0}, {"global_clipnorm": 1.0}], ids=str)
@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_gradients_that_are_no_numbers_reach_the_variables_that_they_reach_in_keras_sgd(apply, options, wrong):
    reached = []
    for optimizer in (INDIAN(0.1, **options), keras.optimizers.SGD(0.1, momentum=0.875, nesterov=True, **options)):
        variables = [keras.Variable([1.0, 2.0]), keras.Variable([3.0])]
        apply(optimizer, [[wrong, 1.0], [1.0]], variables)
        apply(optimizer, [[1.0, 1.0], [1.0]], variables)
        reached.append([np.isfinite(variable.numpy()).tolist() for variable in variables])
    assert reached[0] == reached[1]


@needs(keras, "3.10", "variables that their gradient overwrites")
def test_a_variable_that_keras_overwrites_with_its_gradient_has_no_state(apply):
    optimizer, form = INDIAN(learning_rate=0.1), PhaseForm([1.0])
    scale, variable = keras.Variable([1.0, 2.0]), keras.Variable(form.theta, dtype="float64")
    scale.overwrite_with_gradient = True
    for k in range(3):
        apply(optimizer, [[5.0 + k, 6.0], [0.5]], [scale, variable])
        form.step([0.5], 0.1)
        np.testing.assert_array_equal(scale.numpy(), [5.0 + k, 6.0])
    np.testing.assert_allclose(variable.numpy(), form.theta, rtol=1e-12)
    assert sum(v.path.endswith("velocity") for v in optimizer.variables) == 1
    with pytest.raises(ValueError, match="variable must have taken a step"):
        optimizer.phase(scale)
