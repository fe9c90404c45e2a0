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


@pytest.mark.slow
def test_gauss_newton_products_see_what_keras_gives_to_a_softmax():
    """A cross-entropy is a function of the logits to Keras, whether or not the model ends in a softmax."""
    histories = []
    for activation in ("softmax", None):
        keras.utils.set_random_seed(0)
        inputs = keras.Input((3,))
        outputs = keras.layers.Dense(3, activation=activation)(keras.layers.Dense(4, activation="relu")(inputs))
        model = TrustRegionModel(inputs, outputs)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=activation is None)
        model.compile(TrustRegion(curvature="gauss_newton", radius=0.5), loss=loss, run_eagerly=True)
        labels = np.argmax(INPUTS, axis=1)
        histories.append(model.fit(INPUTS, labels, batch_size=40, epochs=4, shuffle=False, verbose=0).history)
    assert histories[0]["loss"][-1] < 0.9 * histories[0]["loss"][0]
    assert histories[0]["iterations"] == histories[1]["iterations"]
    np.testing.assert_allclose(histories[0]["loss"], histories[1]["loss"], rtol=1e-4)


@pytest.mark.slow
def test_gauss_newton_products_of_several_outputs_are_the_hessian_of_a_linear_model():
    histories = []
    for curvature in ("hessian", "gauss_newton"):
        keras.utils.set_random_seed(0)
        inputs = keras.Input((3,))
        hidden = keras.layers.Dense(2, use_bias=False, trainable=False)(inputs)
        ends = {
            name: keras.layers.Dense(1, name=name)(end) for name, end in [("a", inputs), ("b", hidden), ("c", hidden)]
        }
        model = TrustRegionModel(inputs, ends)
        # Of output c there is no loss.
        model.compile(
            TrustRegion(curvature=curvature, radius=0.5, tolerance=1e-6),
            loss={"a": "mse", "b": "mse"},
            run_eagerly=True,
        )
        targets = {"a": TARGETS, "b": -TARGETS}
        histories.append(model.fit(INPUTS, targets, batch_size=40, epochs=4, shuffle=False, verbose=0).history)
    assert histories[0]["iterations"] == histories[1]["iterations"]
    np.testing.assert_allclose(histories[0]["loss"], histories[1]["loss"], rtol=1e-4)


class Subclassed(TrustRegionModel):
    """A convolutional and recurrent network with ReLU, whose variables are created at its first call."""

    def __init__(self, **options):
        super().__init__(**options)
        self.filters = keras.layers.Conv1D(3, 2, activation="relu")
        self.recurrent = keras.layers.SimpleRNN(3, activation="relu", unroll=True)
        self.end = keras.layers.Dense(1)

    def call(self, inputs):
        return self.end(self.recurrent(self.filters(inputs)))


@pytest.mark.slow
def test_a_subclassed_model_is_fitted_whatever_functional_models_there_are():
    linear_model(TrustRegion())
    keras.utils.set_random_seed(0)
    model = Subclassed()
    model.compile(TrustRegion(radius=0.1), loss="mse", metrics=["mean_absolute_error"])
    history = model.fit(RANDOM.normal(size=(40, 4, 2)), TARGETS, batch_size=40, epochs=8, verbose=0).history
    assert history["loss"][-1] < 0.9 * history["loss"][0]


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_saved_optimizer_goes_on_where_it_was(tmp_path):
    def train(epochs_before_saving):
        keras.utils.set_random_seed(0)
        model = linear_model(TrustRegion(radius=0.05, norm="rmsprop"))
        fit(model, epochs_before_saving)
        model.save(tmp_path / "model.keras")
        loaded = keras.models.load_model(tmp_path / "model.keras")
        assert isinstance(loaded, TrustRegionModel)
        loaded.run_eagerly = True
        fit(loaded, 6 - epochs_before_saving)
        return loaded

    one, two = train(1), train(4)
    np.testing.assert_allclose(one.get_weights()[0], two.get_weights()[0], rtol=1e-5)
    for first, second in zip(one.optimizer.variables, two.optimizer.variables, strict=True):
        np.testing.assert_allclose(first.numpy(), second.numpy(), rtol=1e-4)
    assert two.optimizer.settings == one.optimizer.settings


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


def constrained(variable):
    variable.constraint = keras.constraints.NonNeg()
    return [variable]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda v: [], ValueError, "at least one Keras variable"),
        (lambda v: v, TypeError, "variables must be a list of Keras variables, got Variable"),
        (lambda v: [v.value], TypeError, "variables must be Keras variables, got"),
        (constrained, ValueError, "variables must have no constraint, got one on"),
    ],
)
def test_what_cannot_be_a_list_of_variables(make, error, message):
    variable = keras.Variable([1.0, 2.0])
    with pytest.raises(error, match=message):
        TrustRegion().minimize(lambda: keras.ops.sum(variable**2), make(variable))
    np.testing.assert_array_equal(variable.numpy(), [1.0, 2.0])


def test_variables_may_be_some_of_the_first_ones_but_no_others():
    variables, optimizer = [keras.Variable([1.0]), keras.Variable([1.0, 2.0])], TrustRegion(radius=0.5)
    optimizer.minimize(lambda: sum(keras.ops.sum(v**2) for v in variables), variables)
    before = [variable.numpy().copy() for variable in variables]
    assert optimizer.minimize(lambda: keras.ops.sum(variables[1] ** 2), variables[1:]).accepted
    assert (variables[0].numpy() == before[0]).all()
    assert (variables[1].numpy() != before[1]).all()
    with pytest.raises(ValueError, match="Unknown variable"):
        optimizer.minimize(lambda: keras.ops.sum(variables[0] ** 2), [keras.Variable([1.0])])


def test_a_loss_in_float64_is_known_to_the_precision_of_the_variables():
    """Else the radius would shrink to nothing at the minimum, by rounding errors of the variables."""
    variable, optimizer = keras.Variable([3.0, -4.0]), TrustRegion(norm=None, radius=10.0, tolerance=1e-6)
    loss = lambda: tf.reduce_sum((tf.cast(variable.value, tf.float64) - 0.1) ** 2) + 1.0  # noqa: E731
    for _ in range(20):
        report = optimizer.minimize(loss, [variable])
    assert bool(report.within_rounding)
    assert float(report.radius) > 1


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


@pytest.mark.parametrize(
    ("policy", "optimizer", "error", "message"),
    [
        ("float32", INDIAN, TypeError, r"optimizer must be an indian_tf\.TrustRegion, got"),
        ("mixed_float16", TrustRegion, ValueError, "dtype policy must not be 'mixed_float16'"),
    ],
)
def test_a_model_refuses_other_optimizers_and_scaled_losses_before_it_is_compiled(policy, optimizer, error, message):
    model = Subclassed(dtype=policy)
    with pytest.raises(error, match=message):
        model.compile(optimizer(), loss="mse")
    assert not model.compiled


@pytest.mark.parametrize("dtypes", [("float16",), ("float32", "float64")])
def test_variables_of_other_dtypes_are_refused(dtypes):
    variables = [keras.Variable([1.0], dtype=dtype) for dtype in dtypes]
    with pytest.raises(TypeError, match="must all be of dtype float32, or all of float64"):
        TrustRegion().minimize(lambda: keras.ops.sum(variables[0]), variables)


@pytest.mark.slow
@pytest.mark.parametrize("subproblem", ["steihaug", "lanczos"])
def test_no_number_that_is_not_finite_is_in_the_graph(subproblem):
    variable = keras.Variable(np.array([1.0, -2.0], "float32"))
    optimizer = TrustRegion(subproblem=subproblem, radius=0.5, max_iterations=3)
    tf.debugging.enable_check_numerics()
    try:
        step = tf.function(lambda: optimizer.minimize(lambda: tf.reduce_sum(variable.value**4), [variable]))
        reports = [step() for _ in range(3)]
    finally:
        tf.debugging.disable_check_numerics()
    assert all(np.isfinite(np.asarray(field, float)) for report in reports for field in report)
    assert bool(reports[0].accepted)
