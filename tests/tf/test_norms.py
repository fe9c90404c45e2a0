"""Steps in the norms of RMSProp and AdaGrad, and INNAprop, against the phase form and the published rule."""

import keras
import numpy as np
import pytest

from indian_core.reference import PhaseForm, PublishedINNAprop
from indian_tf import INDIAN, INNAprop, PowerDecay

each_norm = pytest.mark.parametrize("norm", ["rmsprop", "adagrad"])


@pytest.fixture
def trajectory(apply, gradient):
    """θ and ψ after each step of an optimizer; and of an oracle, which is handed the same gradients."""

    def run(optimizer, oracle, step_size, steps=25, dtype="float64"):
        variable, found = keras.Variable(oracle.theta, dtype=dtype), []
        for k in range(steps):
            g = gradient(oracle.theta, k)
            apply(optimizer, [g], [variable])
            oracle.step(g, step_size(k))
            tensors = [keras.ops.cast(tensor, "float64") for tensor in (variable, optimizer.phase(variable))]
            found.append([keras.ops.convert_to_numpy(tensor) for tensor in tensors] + [oracle.theta, oracle.phase])
        theta, phase, expected_theta, expected_phase = np.swapaxes(found, 0, 1)
        return np.array([theta, phase]), np.array([expected_theta, expected_phase])

    return run


@pytest.mark.usefixtures("float64")
@each_norm
@pytest.mark.parametrize("initial_speed", [None, 1.0])
@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
@pytest.mark.parametrize(
    ("learning_rate", "alpha", "beta"), [(0.05, 0.5, 0.9), (0.4, 0.5, 0.1), (0.5, 2.0, 0.5)], ids=str
)
def test_steps_in_a_norm_follow_the_phase_form(
    assert_follows_reference, norm, initial_speed, weight_decay, learning_rate, alpha, beta
):
    options = {"alpha": alpha, "beta": beta, "initial_speed": initial_speed, "weight_decay": weight_decay}
    options |= {"norm": norm, "norm_decay": 0.9, "norm_epsilon": 0.01}
    optimizer = INDIAN(learning_rate=learning_rate, **options)
    assert_follows_reference(optimizer, step_size=learning_rate, steps=12, rtol=1e-11, **options)


@pytest.mark.usefixtures("float64")
def test_a_norm_without_memory_follows_the_phase_form(assert_follows_reference):
    options = {"alpha": 0.5, "beta": 0.1, "norm": "rmsprop", "norm_decay": 0.0, "norm_epsilon": 0.01}
    assert_follows_reference(INDIAN(learning_rate=0.1, **options), step_size=0.1, steps=5, rtol=1e-11, **options)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("options", [{}, {"alpha": 0.5, "beta": 0.3, "norm_decay": 0.5, "weight_decay": None}], ids=str)
def test_innaprop_follows_the_published_rule(trajectory, options):
    optimizer = INNAprop(learning_rate=PowerDecay(0.1), **options)
    published = {name: 0.0 if value is None else value for name, value in options.items()}
    oracle = PublishedINNAprop(np.array([1.0, -2.0, 0.5]), **published)
    actual, expected = trajectory(optimizer, oracle, lambda k: 0.1 * (k + 1) ** -0.5)
    np.testing.assert_allclose(actual, expected, rtol=1e-11)


@pytest.mark.usefixtures("float64")
def test_innaprop_goes_on_where_the_published_rule_breaks(apply, trajectory):
    start = np.array([1.0, -2.0, 0.5])
    with np.errstate(divide="ignore", invalid="ignore"), pytest.raises(ZeroDivisionError):
        PublishedINNAprop(start, beta=0.1).step(start, 0.1)
    form = PhaseForm(start, alpha=0.1, beta=0.1, initial_speed=None, weight_decay=0.01, norm="rmsprop")
    actual, expected = trajectory(
        INNAprop(learning_rate=PowerDecay(0.2), beta=0.1), form, lambda k: 0.2 / (k + 1) ** 0.5
    )
    np.testing.assert_allclose(actual, expected, rtol=1e-11)


@pytest.mark.parametrize("norm", [None, "rmsprop", "adagrad"])
def test_by_default_it_starts_with_speed_1_without_a_norm_and_from_rest_in_one(apply, gradient, norm):
    def end(**speed):
        optimizer, variable = INDIAN(0.1, norm=norm, **speed), keras.Variable([1.0, -2.0, 0.5])
        for k in range(3):
            apply(optimizer, [gradient(keras.ops.convert_to_numpy(variable), k)], [variable])
        return keras.ops.convert_to_numpy(variable)

    default, automatic, paper, rest = end(), end(initial_speed="auto"), end(initial_speed=1.0), end(initial_speed=None)
    expected, other = (paper, rest) if norm is None else (rest, paper)
    np.testing.assert_array_equal(default, expected)
    np.testing.assert_array_equal(automatic, expected)
    assert np.abs(default - other).max() > 0.01


def test_with_its_defaults_it_trains_in_the_adagrad_norm(apply):
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(16, 100))
    targets = inputs @ (0.05 * generator.normal(size=100))
    optimizer, weights = INDIAN(norm="adagrad"), keras.Variable(np.zeros(100))

    def residual():
        return inputs @ keras.ops.convert_to_numpy(weights) - targets

    for _ in range(200):
        apply(optimizer, [inputs.T @ residual() / 8], [weights])
    assert np.mean(residual() ** 2) < 1e-3 * np.mean(targets**2)


@pytest.mark.usefixtures("float64")
@each_norm
def test_the_norm_of_a_variable_counts_its_own_gradients(apply, norm):
    options = {"alpha": 0.5, "beta": 0.2, "norm": norm, "norm_decay": 0.9}
    optimizer = INDIAN(learning_rate=0.1, **options)
    early, late = (PhaseForm(start, **options) for start in ([1.0, 2.0], [[3.0]]))
    variables = [keras.Variable(form.theta, dtype="float64") for form in (early, late)]
    for k in range(5):
        if k in (2, 4):
            apply(optimizer, [[0.5, -1.0 - k], [[1.0 + k]]], variables)
            late.step([[1.0 + k]], 0.1)
        else:
            with pytest.warns(UserWarning, match="Gradients do not exist"):
                apply(optimizer, [[0.5, -1.0 - k], None], variables)
        early.step([0.5, -1.0 - k], 0.1)
    for variable, form in zip(variables, (early, late), strict=True):
        np.testing.assert_allclose(variable.numpy(), form.theta, rtol=1e-12)


@pytest.mark.usefixtures("float64")
@each_norm
@pytest.mark.parametrize("wrapping", ["accumulation", "clipping", "average"])
def test_options_of_the_base_class_work_in_a_norm(apply, norm, wrapping):
    options = {"norm": norm, "norm_epsilon": 0.1}
    by_keras = {
        "accumulation": {"gradient_accumulation_steps": 2},
        "clipping": {"clipvalue": 0.5, "loss_scale_factor": 4.0},
        "average": {"use_ema": True, "ema_momentum": 0.5},
    }[wrapping]
    optimizer, form = INDIAN(learning_rate=0.1, **options, **by_keras), PhaseForm([1.0, 2.0], **options)
    variable, average, gradients = (
        keras.Variable(form.theta, dtype="float64"),
        None,
        np.sin(np.arange(12.0)).reshape(6, 2),
    )
    for k, g in enumerate(gradients):
        apply(optimizer, [4.0 * g if wrapping == "clipping" else g], [variable])
        if wrapping == "accumulation":
            g = gradients[2 * (k // 2) : k + 1].mean(axis=0)
        elif wrapping == "clipping":
            g = np.clip(g, -0.5, 0.5)
        if wrapping != "accumulation" or k % 2:
            form.step(g, 0.1)
        average = form.theta if average is None else (average + form.theta) / 2
        np.testing.assert_allclose(variable.numpy(), form.theta, rtol=1e-6 if wrapping == "clipping" else 1e-12)
    if wrapping == "average":
        optimizer.finalize_variable_values([variable])
        np.testing.assert_allclose(variable.numpy(), average, rtol=1e-12)


@each_norm
@pytest.mark.parametrize(
    ("dtype", "norm_dtype", "kept"),
    [
        ("float32", None, "float32"),
        ("float32", "bfloat16", "bfloat16"),
        ("bfloat16", None, "bfloat16"),
        ("bfloat16", "float32", "float32"),
    ],
)
def test_the_accumulator_has_the_dtype_that_is_asked_for(trajectory, norm, dtype, norm_dtype, kept):
    options = {"norm": norm, "norm_decay": 0.9, "norm_epsilon": 0.1}
    optimizer, form = INDIAN(learning_rate=0.05, norm_dtype=norm_dtype, **options), PhaseForm(np.ones(3), **options)
    (theta, _), (expected, _) = trajectory(optimizer, form, lambda k: 0.05, steps=10, dtype=dtype)
    (accumulator,) = [v for v in optimizer.variables if v.path.endswith("_norm_accumulator")]
    assert keras.backend.standardize_dtype(accumulator.dtype) == kept
    precision = 2.0**-8 if "bfloat16" in (dtype, kept) else 2.0**-22
    np.testing.assert_allclose(theta, expected, rtol=0, atol=4 * precision)
    # It is rounded once: the arithmetic is in float32.
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(keras.ops.cast(accumulator, "float32")), form.accumulator, rtol=2.0**-5
    )


def test_the_direction_comes_from_the_accumulator_before_it_is_rounded(apply):
    """The square is far below what the accumulator can hold beside what is in it, and not what it weighs."""
    variable = keras.Variable([0.0], dtype="float32")
    optimizer = INDIAN(learning_rate=1.0, beta=1.0, initial_speed=None, norm="adagrad", norm_dtype="bfloat16")
    optimizer.build([variable])
    (accumulator,) = [v for v in optimizer.variables if v.path.endswith("_norm_accumulator")]
    accumulator.assign([1.0])
    apply(optimizer, [[2.0**-5]], [variable])
    np.testing.assert_allclose(variable.numpy(), [-(2.0**-5) / np.sqrt(1 + 2.0**-10)], rtol=1e-6)


@pytest.mark.slow
@each_norm
def test_a_model_trains_in_a_norm(new_model, data, norm):
    model = new_model()
    model.compile(optimizer=INDIAN(learning_rate=0.01, norm=norm, clipnorm=5.0), loss="mse")
    losses = model.fit(*data, batch_size=16, epochs=8, shuffle=False, verbose=0).history["loss"]
    assert losses[-1] < 0.8 * losses[0]
    state = [v.path.split("/", 1)[1] for v in model.optimizer.variables]
    assert sum(name.endswith("_velocity") for name in state) == len(model.trainable_variables)
    assert sum(name.endswith("_norm_accumulator") for name in state) == len(model.trainable_variables)


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_innaprop_trains_under_mixed_precision(new_model, data, policy):
    previous = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = new_model()
        model.compile(optimizer=INNAprop(learning_rate=0.01), loss="mse")
        losses = model.fit(*data, batch_size=16, epochs=8, verbose=0).history["loss"]
    finally:
        keras.config.set_dtype_policy(previous)
    assert losses[-1] < 0.9 * losses[0]
