"""What only TensorFlow has: tapes, graphs, sparse gradients, its own variables."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from indian_core.damping import pre_damping_form
from indian_core.dynamics import pre_form
from indian_core.norms import NormCoefficients, norm_coefficients
from indian_core.reference import PhaseForm
from indian_tf import INDIAN, INNAprop, PowerDecay
from indian_tf._step import tensorflow as tensorflow_step
from indian_tf._step.any_backend import AnyBackend, Arrays
from indian_tf._step.coefficients import Coefficients


def _loss(model, data):
    return tf.reduce_mean(tf.square(model(data[0], training=True) - data[1]))


@pytest.mark.parametrize(
    "decorate", [lambda f: f, tf.function, tf.function(jit_compile=True)], ids=["eager", "graph", "xla"]
)
@pytest.mark.parametrize("norm", [None, "rmsprop", "adagrad"])
def test_a_training_loop_with_a_tape(new_model, data, decorate, norm):
    options = {"weight_decay": 0.01, "norm": norm, "norm_epsilon": 0.1}
    model, optimizer = new_model(), INDIAN(learning_rate=0.1, **options)
    optimizer.build(model.trainable_variables)

    def train_step():
        with tf.GradientTape() as tape:
            loss = _loss(model, data)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    step = decorate(train_step)
    forms = [PhaseForm(v.numpy().astype("float64"), **options) for v in model.trainable_variables]
    losses = []
    for _ in range(10):
        with tf.GradientTape() as tape:
            loss = _loss(model, data)
        for form, gradient in zip(forms, tape.gradient(loss, model.trainable_variables), strict=True):
            form.step(gradient.numpy(), 0.1)
        losses.append(float(step()))
    assert losses[-1] < losses[0]
    for variable, form in zip(model.trainable_variables, forms, strict=True):
        np.testing.assert_allclose(variable.numpy(), form.theta, atol=2e-6 if norm is None else 1e-5)


def _in_graph(optimizer, dtype):
    variable, gradient = keras.Variable([1.0, -2.0, 0.5], dtype=dtype), tf.constant([0.1, 0.2, -0.3], dtype)
    optimizer.build([variable])
    step = tf.function(lambda: optimizer.apply([gradient], [variable]))
    for _ in range(3):
        step()
    graph = step.get_concrete_function().graph
    return variable.numpy(), [operation.type for operation in graph.get_operations()]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_device_without_proximal_steps_takes_the_same_steps(monkeypatch, dtype):
    expected, operations = _in_graph(INNAprop(0.1, weight_decay=0.5), dtype)
    assert operations.count("ResourceApplyProximalGradientDescent") == 2
    monkeypatch.setattr(tensorflow_step, "_is_on_cpu", lambda variable: False)
    actual, operations = _in_graph(INNAprop(0.1, weight_decay=0.5), dtype)
    assert "ResourceApplyProximalGradientDescent" not in operations
    np.testing.assert_allclose(actual, expected, rtol=1e-6 if dtype == "float32" else 1e-14)


@pytest.mark.parametrize("learning_rate", [0.1, PowerDecay(0.1), lambda: 0.1], ids=["number", "schedule", "function"])
def test_a_graph_computes_the_coefficients_of_many_variables_at_once(learning_rate):
    def operations(count):
        optimizer, variables = INNAprop(learning_rate), [keras.Variable([1.0, 2.0]) for _ in range(count)]
        optimizer.build(variables)
        gradients = [tf.constant([1.0, 2.0])] * count
        graph = tf.function(lambda: optimizer.apply(gradients, variables)).get_concrete_function().graph
        # Without what only hands on, holds a constant, or stands for an argument.
        handed_on = ("Const", "Identity", "IdentityN", "NoOp", "Placeholder")
        return sum(operation.type not in handed_on for operation in graph.get_operations())

    # θ and m read, m decays, θ decays and moves by m, m shrinks: 6; v: 2; the gradient in its norm: 2.
    assert operations(7) - operations(3) == 4 * 10


@pytest.mark.parametrize("as_tensors", [False, True], ids=["numbers", "tensors"])
@pytest.mark.parametrize("on_cpu", [True, False], ids=["cpu", "other device"])
@pytest.mark.parametrize(
    ("accumulator", "square", "root", "epsilon"),
    [
        (0.75, 0.25, 1.5, 0.1),
        (0.75, 0.5, 1.5, 0.1),
        (1.25, 0.5, 1.0, 0.0),
        (0.5, 0.0, 2.0, 0.1),
        (0.0, 1.0, 1.0, 0.1),
        (0.0, 0.5, 1.0, 0.1),
        (1.0, 1.0, 1.0, 0.1),
        (1.0, 0.5, 0.5, 0.1),
    ],
)
def test_steps_in_place_are_right_in_any_norm(monkeypatch, accumulator, square, root, epsilon, as_tensors, on_cpu):
    """The accumulator may keep and add what it wants: v⁺ = a v + b g²."""
    monkeypatch.setattr(tensorflow_step, "_is_on_cpu", lambda variable: on_cpu)
    numbers = (accumulator, square, root, epsilon)
    norm = NormCoefficients(*(tf.constant(n, tf.float64) for n in numbers) if as_tensors else numbers)
    coefficients = Coefficients(pre_form(tf.constant(0.1, tf.float64), alpha=0.5, beta=0.25, weight_decay=0.1), norm)

    def arrays():
        values = ([1.0, -2.0, 0.5], [0.1, 0.2, -0.3], [1.0, 2.0, 3.0])
        return Arrays(*(keras.Variable(value, dtype="float64") for value in values))

    in_place, plain = arrays(), arrays()
    step = tf.function(
        lambda g: tensorflow_step.BACKEND.update(in_place, g, lambda *_: tensorflow_step.rates(coefficients, 0.1))
    )
    for gradient in ([0.5, -1.0, 2.0], [0.0, 0.25, -1.0]):
        g = tf.constant(gradient, tf.float64)
        step(g)
        AnyBackend().update(plain, g, lambda *_: coefficients)
    for actual, expected in zip(in_place, plain, strict=True):
        np.testing.assert_allclose(actual.numpy(), expected.numpy(), rtol=1e-14)


@pytest.mark.parametrize("on_cpu", [True, False], ids=["cpu", "other device"])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("momentum", [0.0, 0.25, 0.9, 1.0])
@pytest.mark.parametrize("norm", ["last", "first", None])
def test_steps_of_the_damping_form_in_place_are_right(monkeypatch, norm, momentum, weight_decay, on_cpu):
    monkeypatch.setattr(tensorflow_step, "_is_on_cpu", lambda variable: on_cpu)
    rate = tf.constant(0.1, tf.float64)
    step = pre_damping_form(rate, momentum, 3.0, weight_decay=weight_decay, gain=1.0)
    of_norm = norm_coefficients(None, 1, 0.0, 0.0) if norm is None else NormCoefficients(0.75, 0.25, 1.5, 0.1)
    coefficients = Coefficients(step, of_norm, norm == "last")

    def arrays():
        values = ([1.0, -2.0, 0.5], [0.1, 0.2, -0.3], [1.0, 2.0, 3.0])
        theta, m, v = (keras.Variable(value, dtype="float64") for value in values)
        return Arrays(theta, m, None if norm is None else v)

    in_place, plain = arrays(), arrays()
    update = tf.function(
        lambda g: tensorflow_step.BACKEND.update(
            in_place, g, lambda *_: tensorflow_step.rates(coefficients, weight_decay)
        )
    )
    for gradient in ([0.5, -1.0, 2.0], [0.0, 0.25, -1.0]):
        g = tf.constant(gradient, tf.float64)
        update(g)
        AnyBackend().update(plain, g, lambda *_: coefficients)
    for actual, expected in zip(in_place, plain, strict=True):
        if expected is not None:
            np.testing.assert_allclose(actual.numpy(), expected.numpy(), rtol=1e-14)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("norm", [None, "rmsprop"])
def test_a_direct_update_step_in_a_graph_follows_the_phase_form(jit_compile, norm):
    optimizer, form = INDIAN(beta=0.3, norm=norm), PhaseForm([1.0, 2.0], beta=0.3, norm=norm)
    variable, gradient = keras.Variable([1.0, 2.0]), tf.constant([0.5, -1.0])
    optimizer.build([variable])

    @tf.function(jit_compile=jit_compile)
    def step(learning_rate):
        optimizer.update_step(gradient, variable, learning_rate)

    for gamma in (0.1, 0.05, 0.2):
        step(tf.constant(gamma))
        form.step([0.5, -1.0], gamma)
    np.testing.assert_allclose(variable.numpy(), form.theta, rtol=1e-5)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("accumulated", [None, 2])
def test_fit_compiled_with_xla_or_not(new_model, data, jit_compile, accumulated):
    model = new_model()
    optimizer = INDIAN(learning_rate=0.1, gradient_accumulation_steps=accumulated)
    model.compile(optimizer=optimizer, loss="mse", jit_compile=jit_compile)
    losses = model.fit(*data, batch_size=16, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < 0.9 * losses[0]
    (steps,) = [v.numpy() for v in optimizer.variables if v.path.endswith("/steps")]
    assert set(steps) == {16 // (accumulated or 1)}


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("norm", [None, "rmsprop", "adagrad"])
def test_a_step_compiled_with_xla_needs_no_copy_of_the_parameters(weight_decay, norm):
    optimizer = INDIAN(weight_decay=weight_decay, norm=norm)
    variable = keras.Variable(np.ones((30, 20)), dtype="float32")
    optimizer.build([variable])
    step = tf.function(lambda gradient: optimizer.apply([gradient], [variable]), jit_compile=True)
    program = step.experimental_get_compiler_ir(tf.ones((30, 20)))(stage="optimized_hlo")
    assert re.search(r"f32\[30,20\]\S* fusion\(", program)
    assert not re.search(r"f32\[30,20\]\S* copy\(", program)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"clipnorm": 0.1},
        {"global_clipnorm": 0.1},
        {"gradient_accumulation_steps": 3},
        {"norm": "rmsprop"},
        {"norm": "adagrad"},
    ],
)
def test_sparse_gradients_of_an_embedding_move_it_as_dense_ones(options):
    results = []
    for sparse in (True, False):
        keras.utils.set_random_seed(0)
        embedding, optimizer = keras.layers.Embedding(5, 3), INDIAN(learning_rate=0.1, weight_decay=0.01, **options)
        embedding.build()
        for indices in ([0, 2, 2], [1, 0, 4], [3, 3, 3]):
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(tf.square(embedding(tf.constant(indices)) - 1.0))
            (gradient,) = tape.gradient(loss, embedding.trainable_variables)
            assert isinstance(gradient, tf.IndexedSlices)
            if "clipnorm" in options or "global_clipnorm" in options:
                # Keras takes the norm of the rows as they are, repeated or not.
                gradient = tf.IndexedSlices(*_distinct(gradient), gradient.dense_shape)
            optimizer.apply([gradient if sparse else tf.convert_to_tensor(gradient)], embedding.trainable_variables)
        results.append(embedding.embeddings.numpy())
    np.testing.assert_allclose(results[0], results[1], rtol=1e-6)


def _distinct(gradient):
    indices, positions = tf.unique(gradient.indices)
    return tf.math.unsorted_segment_sum(gradient.values, positions, tf.size(indices)), indices


def test_an_embedding_trains_in_a_graph():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((2,), dtype="int32"), keras.layers.Embedding(6, 2), keras.layers.Flatten()])
    model.add(keras.layers.Dense(1))
    model.compile(optimizer=INDIAN(learning_rate=0.1), loss="mse", jit_compile=False)
    inputs = np.array([[0, 1], [2, 3], [4, 5], [1, 2]])
    losses = model.fit(inputs, np.arange(4.0)[:, None], epochs=15, verbose=0).history["loss"]
    assert losses[-1] < 0.8 * losses[0]


def test_variables_of_tensorflow_itself_can_be_optimized():
    """Their names may hold slashes, which Keras' own may not."""
    variable, reference = tf.Variable([1.0, 2.0], name="scope/weights"), PhaseForm([1.0, 2.0])
    optimizer = INDIAN(learning_rate=0.1)
    for _ in range(3):
        optimizer.apply([tf.constant([0.5, -0.5])], [variable])
        reference.step([0.5, -0.5], 0.1)
    np.testing.assert_allclose(variable.numpy(), reference.theta, rtol=1e-6)
    np.testing.assert_allclose(optimizer.phase(variable).numpy(), reference.phase, rtol=1e-6)


def test_a_gradient_whose_shape_is_known_only_at_run_time_is_accepted():
    variable, optimizer = keras.Variable([1.0, 2.0]), INDIAN(learning_rate=0.1)
    optimizer.build([variable])

    @tf.function(input_signature=[tf.TensorSpec([None]), tf.TensorSpec(None)])
    def step(unknown_size, unknown_rank):
        optimizer.apply([unknown_size], [variable])
        optimizer.apply([unknown_rank], [variable])

    step(tf.constant([1.0, 1.0]), tf.constant([1.0, 1.0]))
    reference = PhaseForm([1.0, 2.0])
    for _ in range(2):
        reference.step([1.0, 1.0], 0.1)
    np.testing.assert_allclose(variable.numpy(), reference.theta, rtol=1e-6)


def test_a_checkpoint_of_tensorflow_holds_the_state(tmp_path):
    def trained(steps):
        variable, optimizer = keras.Variable([1.0, 2.0], name="weights"), INDIAN(learning_rate=0.1, beta=0.3)
        optimizer.build([variable])
        for _ in range(steps):
            optimizer.apply([tf.constant([0.5, -0.5])], [variable])
        return variable, optimizer

    variable, optimizer = trained(3)
    path = tf.train.Checkpoint(variable=variable.value, optimizer=optimizer).write(str(tmp_path / "checkpoint"))
    restored, other = trained(0)
    tf.train.Checkpoint(variable=restored.value, optimizer=other).read(path).assert_consumed()
    for one, of in ((variable, optimizer), (restored, other)):
        of.apply([tf.constant([1.0, 1.0])], [one])
    np.testing.assert_array_equal(restored.numpy(), variable.numpy())
