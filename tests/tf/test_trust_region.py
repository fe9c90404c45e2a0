"""The trust region in Keras, on TensorFlow: `minimize`, and `fit` of a model of its own."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from indian_core.trust_region import Termination
from indian_tf import INDIAN, TrustRegion, TrustRegionModel

RANDOM = np.random.default_rng(0)
INPUTS = RANDOM.normal(size=(40, 3)).astype("float32")
TARGETS = (INPUTS @ np.array([[1.0], [-2.0], [0.5]]) + 0.3).astype("float32")


def linear_model(optimizer, *, dropout=0.0, **options):
    inputs = keras.Input((3,))
    hidden = keras.layers.Dropout(dropout, seed=1)(inputs) if dropout else inputs
    model = TrustRegionModel(inputs, keras.layers.Dense(1)(hidden))
    model.compile(optimizer=optimizer, loss="mse", run_eagerly=True, **options)
    return model


def fit(model, epochs):
    return model.fit(INPUTS, TARGETS, batch_size=40, epochs=epochs, shuffle=False, verbose=0).history


def state_of(optimizer):
    return {variable.path: variable.numpy() for variable in optimizer.variables}


@pytest.mark.parametrize("curvature", ["hessian", "gauss_newton"])
def test_fit_solves_a_least_squares_problem_in_one_full_step(curvature):
    model = linear_model(
        TrustRegion(norm=None, curvature=curvature, radius=10.0, tolerance=1e-6), metrics=["mean_absolute_error"]
    )
    history = fit(model, 3)
    assert history["loss"][0] > 1
    assert history["loss"][1] < 1e-10
    assert history["accepted"][0] == 1
    assert history["ratio"][0] == pytest.approx(1, abs=1e-4)
    assert history["backpropagations"][0] == 1 + history["iterations"][0]
    assert history["mean_absolute_error"][0] > 0.1


def test_fit_compiled_is_fit_eagerly():
    histories = []
    for eager in (True, False):
        keras.utils.set_random_seed(0)
        model = linear_model(TrustRegion(radius=0.1))
        model.run_eagerly = eager
        histories.append(fit(model, 4))
    assert histories[0].keys() == histories[1].keys()
    for name, values in histories[0].items():
        np.testing.assert_allclose(histories[1][name], values, rtol=1e-3, err_msg=name)


def test_the_trial_point_is_evaluated_with_the_same_dropout():
    """So the ratio of a tiny step is near 1; with another mask the loss would differ by far more than the step."""
    model = linear_model(TrustRegion(norm=None, radius=1e-2), dropout=0.5)
    history = fit(model, 4)
    np.testing.assert_allclose(history["ratio"], 1, atol=0.05)
    # And each batch draws new numbers.
    assert len(set(np.round(np.diff(history["loss"]), 6))) > 1
    assert max(history["loss"]) - min(history["loss"]) > 0.1


def test_a_step_is_the_same_in_a_function_of_tensorflow():
    def run(wrap):
        variable, optimizer = keras.Variable([3.0, -4.0]), TrustRegion(radius=1.0)
        step = wrap(lambda: optimizer.minimize(lambda: keras.ops.sum(variable**4), [variable]))
        return [step() for _ in range(5)], variable.numpy()

    (eager, eager_value), (compiled, compiled_value) = run(lambda f: f), run(tf.function)
    np.testing.assert_allclose(compiled_value, eager_value, rtol=1e-6)
    for first, second in zip(eager, compiled, strict=True):
        np.testing.assert_allclose(
            [float(x) for x in tf.nest.flatten(second)], [float(x) for x in tf.nest.flatten(first)], rtol=1e-4
        )


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_trial_loss_that_is_not_finite_is_a_rejected_step_that_changes_nothing_but_the_radius(bad):
    variable, optimizer = keras.Variable([1.0, 2.0]), TrustRegion(norm="adagrad", radius=0.5)

    def loss_fn():
        inside = keras.ops.all(variable.value == [1.0, 2.0])
        return keras.ops.where(inside, keras.ops.sum(variable**2), bad)

    optimizer.build([variable])
    before = state_of(optimizer)
    report = optimizer.minimize(loss_fn, [variable])
    assert not report.accepted
    np.testing.assert_array_equal(variable.numpy(), [1.0, 2.0])
    after = state_of(optimizer)
    changed = {path.split("/")[-1] for path in before if not np.array_equal(before[path], after[path])}
    assert changed == {"radius", "iteration", "backpropagations"}
    assert float(report.radius) == pytest.approx(0.5 / 1.5)


@pytest.mark.parametrize("subproblem", ["steihaug", "lanczos"])
def test_a_zero_gradient_stops_cleanly(subproblem):
    variable, optimizer = keras.Variable([0.0, 0.0]), TrustRegion(subproblem=subproblem, radius=0.5)
    report = optimizer.minimize(lambda: keras.ops.sum(variable**2), [variable])
    assert int(report.termination) == Termination.CONVERGED
    np.testing.assert_array_equal(variable.numpy(), 0.0)
    assert np.isfinite(optimizer.radius.numpy())


def test_lanczos_escapes_a_saddle_where_conjugate_gradients_stay():
    reached = {}
    for subproblem in ("steihaug", "lanczos"):
        variable, optimizer = keras.Variable([0.0, 0.0]), TrustRegion(norm=None, subproblem=subproblem, radius=0.5)
        for _ in range(6):
            optimizer.minimize(lambda v=variable: v[0] ** 2 - v[1] ** 2 + v[1] ** 4, [variable])
        reached[subproblem] = abs(float(variable.numpy()[1]))
    assert reached["steihaug"] == 0
    assert reached["lanczos"] == pytest.approx(np.sqrt(0.5), rel=1e-2)


@pytest.mark.parametrize("norm", [None, "rmsprop", "adagrad"])
@pytest.mark.parametrize("curvature", ["hessian", "none"])
def test_no_step_leaves_the_ellipsoid_and_no_accepted_one_raises_the_loss(norm, curvature):
    variable = keras.Variable([-1.2, 1.0, 0.3, 0.4])
    optimizer = TrustRegion(norm=norm, curvature=curvature, radius=0.3)

    def rosenbrock():
        x = variable.value
        return tf.reduce_sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

    optimizer.build([variable])
    losses = [float(rosenbrock())]
    for _ in range(15):
        radius = float(optimizer.radius.numpy())
        report = optimizer.minimize(rosenbrock, [variable])
        assert float(report.step_norm) <= radius
        losses.append(float(rosenbrock()))
    assert all(later <= earlier for earlier, later in itertools.pairwise(losses))
    assert losses[-1] < losses[0]


def test_a_saved_optimizer_goes_on_where_it_was(tmp_path):
    def train(epochs_before_saving):
        keras.utils.set_random_seed(0)
        model = linear_model(TrustRegion(radius=0.05, norm="rmsprop"))
        fit(model, epochs_before_saving)
        model.save(tmp_path / "model.keras")
        loaded = keras.models.load_model(tmp_path / "model.keras")
        assert type(loaded) is TrustRegionModel
        loaded.run_eagerly = True
        fit(loaded, 6 - epochs_before_saving)
        return loaded

    one, two = train(1), train(4)
    np.testing.assert_allclose(one.get_weights()[0], two.get_weights()[0], rtol=1e-5)
    for first, second in zip(one.optimizer.variables, two.optimizer.variables, strict=True):
        np.testing.assert_allclose(first.numpy(), second.numpy(), rtol=1e-4)
    assert two.optimizer.hyperparameters == one.optimizer.hyperparameters


def once_differentiable(variable):
    # Its derivative with respect to its first argument has none.
    return tf.reduce_sum(tf.math.igamma(variable.value, tf.ones(2)))


BAD_LOSSES = {
    "not callable": ("hessian", lambda v: 3.0, TypeError, "loss_fn must be a function that returns the loss"),
    "a number": ("hessian", lambda v: lambda: 3.0, TypeError, "a tensor of a floating dtype, got float"),
    "whole": (
        "hessian",
        lambda v: lambda: tf.constant(3),
        TypeError,
        "a tensor of a floating dtype, got EagerTensor of dtype int32",
    ),
    "two": ("hessian", lambda v: lambda: v * 2.0, ValueError, r"a loss of one element, got a tensor of shape \(2,\)"),
    "detached": ("hessian", lambda v: lambda: tf.constant(3.0), ValueError, "depends on the variables"),
    "once": ("hessian", lambda v: lambda: once_differentiable(v), RuntimeError, "IgammaGradA has no second derivative"),
    "no pair": ("gauss_newton", lambda v: lambda: tf.reduce_sum(v.value), TypeError, r"the pair \(loss, output\)"),
    "output of no tensor": ("gauss_newton", lambda v: lambda: (tf.reduce_sum(v.value), 1.0), TypeError, "as output"),
    "output of others": (
        "gauss_newton",
        lambda v: lambda: (tf.reduce_sum(v.value), tf.ones(2)),
        ValueError,
        "depends on the output",
    ),
}


@pytest.mark.parametrize("name", BAD_LOSSES)
def test_a_loss_that_cannot_be_used_is_refused_and_nothing_has_changed(name):
    curvature, make, error, message = BAD_LOSSES[name]
    variable, optimizer = keras.Variable([1.0, 2.0]), TrustRegion(curvature=curvature)
    optimizer.build([variable])
    before = state_of(optimizer)
    loss = make(variable)
    if name == "two":
        loss = lambda: variable.value * 2.0  # noqa: E731
    with pytest.raises(error, match=message):
        optimizer.minimize(loss, [variable])
    np.testing.assert_array_equal(variable.numpy(), [1.0, 2.0])
    for path, value in state_of(optimizer).items():
        np.testing.assert_array_equal(value, before[path], path)


def test_an_error_at_the_trial_point_leaves_the_variables_as_they_were():
    variable, optimizer = keras.Variable([1.0, 2.0]), TrustRegion(radius=0.5)
    calls = []

    def loss_fn():
        calls.append(1)
        if len(calls) == 2:
            raise OSError("no more data")
        return keras.ops.sum(variable**2)

    with pytest.raises(OSError, match="no more data"):
        optimizer.minimize(loss_fn, [variable])
    np.testing.assert_array_equal(variable.numpy(), [1.0, 2.0])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"radius": 0.0}, ValueError, "radius must be a finite number > 0, got 0.0"),
        ({"norm": "adam"}, ValueError, "norm must be"),
        ({"curvature": 1}, TypeError, "curvature must be"),
        ({"max_iterations": 0}, ValueError, "max_iterations must be"),
    ],
)
def test_constants_out_of_range(arguments, error, message):
    with pytest.raises(error, match=message):
        TrustRegion(**arguments)


def test_gradients_alone_are_refused():
    variable, optimizer = keras.Variable([1.0]), TrustRegion()
    with pytest.raises(RuntimeError, match="needs the loss as a function"):
        optimizer.apply([tf.ones(1)], [variable])


def test_a_model_refuses_other_optimizers():
    with pytest.raises(TypeError, match=r"must be an indian_tf\.TrustRegion"):
        linear_model(INDIAN())


@pytest.mark.parametrize("dtypes", [("float16",), ("float32", "float64")])
def test_variables_of_other_dtypes_are_refused(dtypes):
    variables = [keras.Variable([1.0], dtype=dtype) for dtype in dtypes]
    with pytest.raises(TypeError, match="must all be of dtype float32, or all of float64"):
        TrustRegion().minimize(lambda: keras.ops.sum(variables[0]), variables)
