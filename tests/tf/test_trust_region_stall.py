"""A trust region that stands still says why, once; and what is harmless does not stall it."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from indian_tf import TrustRegion, TrustRegionModel

RANDOM = np.random.default_rng(0)
INPUTS = RANDOM.normal(size=(64, 3)).astype("float32")
TARGETS = (INPUTS @ np.array([[1.0], [-2.0], [0.5]]) + 0.3 * RANDOM.normal(size=(64, 1))).astype("float32")
WRAPS = {"eager": lambda step: step, "graph": tf.function}
EACH = ["eager", pytest.param("graph", marks=pytest.mark.slow)]
UNSEEN, OTHER = "loss_fn does not see the step", "loss_fn is not the same function"


def messages_of(run, steps):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        reports = [run() for _ in range(steps)]
    return [str(each.message) for each in caught if issubclass(each.category, UserWarning)], reports


class Cached:
    """The loss at the first of the two points for both: of weights that were cast, gathered or cached before."""

    def __init__(self, variable):
        self.variable = variable
        self.kept = []

    def __call__(self):
        if self.kept:
            return self.kept.pop()
        self.kept.append(keras.ops.sum((self.variable - 1.0) ** 2))
        return self.kept[0]


class OwnBatch:
    """A batch of its own in each call, of which the losses differ by far more than a step promises."""

    def __init__(self, variable):
        self.variable = variable
        self.generator = tf.random.Generator.from_seed(0)

    def __call__(self):
        return keras.ops.sum((self.variable - 1.0) ** 2) * 1e-3 + self.generator.normal(())


@pytest.mark.parametrize("wrap", EACH)
@pytest.mark.parametrize(("make", "told", "steps"), [(Cached, UNSEEN, 8), (OwnBatch, OTHER, 50)])
def test_one_warning_says_why_the_trust_region_stands_still(wrap, make, told, steps):
    variable, optimizer = keras.Variable(np.zeros(3, "float32")), TrustRegion(radius=0.01, max_radius=0.01)
    loss_fn = make(variable)
    step = WRAPS[wrap](lambda: optimizer.minimize(loss_fn, [variable]))
    messages, _ = messages_of(step, steps)
    assert len(messages) == 1
    assert told in messages[0]


def test_each_optimizer_warns_for_itself():
    for _ in range(2):
        variable, optimizer = keras.Variable(np.zeros(3, "float32")), TrustRegion()
        loss_fn = Cached(variable)
        assert len(messages_of(lambda f=loss_fn, o=optimizer, v=variable: o.minimize(f, [v]), 5)[0]) == 1


@pytest.mark.slow
def test_a_step_that_xla_compiles_has_no_look_at_its_reports():
    variable, optimizer = keras.Variable(np.zeros(3, "float32")), TrustRegion(curvature="none")
    loss_fn = Cached(variable)
    step = tf.function(lambda: optimizer.minimize(loss_fn, [variable]).ratio, jit_compile=True)
    messages, ratios = messages_of(step, 5)
    assert messages == []
    assert [float(ratio) for ratio in ratios] == [0.0] * 5


class Memoized(TrustRegionModel):
    """A model whose loss keeps what it has computed for a batch."""

    kept = None

    def _symbolic_build(self, *args, **kwargs):
        super()._symbolic_build(*args, **kwargs)
        self.kept = None

    def _compute_loss(self, *args, **kwargs):
        kept, self.kept = self.kept, None
        if kept is None:
            kept = self.kept = super()._compute_loss(*args, **kwargs)
        return kept


class Noisy(keras.layers.Layer):
    """Noise that no seed generator of the model makes, so that the model cannot repeat it."""

    def call(self, inputs):
        return inputs + 10.0 * tf.random.normal(tf.shape(inputs))


def small(cls, *layers):
    keras.utils.set_random_seed(0)

    class Small(cls):
        def __init__(self):
            super().__init__()
            self.parts = [*layers, keras.layers.Dense(1)]

        def call(self, inputs):
            for part in self.parts:
                inputs = part(inputs)
            return inputs

    return Small()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cls", "layers", "told", "eager"),
    [(Memoized, [], UNSEEN, True), (Memoized, [], UNSEEN, False), (TrustRegionModel, [Noisy], OTHER, False)],
)
def test_fit_warns_once(cls, layers, told, eager):
    model = small(cls, *(layer() for layer in layers))
    model.compile(TrustRegion(radius=1e-3, max_radius=1e-3), loss="mse", run_eagerly=eager)

    def run():
        return model.fit(INPUTS, TARGETS, batch_size=16, epochs=15, shuffle=False, verbose=0)

    messages, _ = messages_of(run, 1)
    assert len(messages) == 1
    assert told in messages[0]


@pytest.mark.parametrize("wrap", EACH)
def test_a_loss_that_is_computed_outside_is_refused(wrap):
    """So are weights that were cached outside: without gradients there is no step."""
    variable, optimizer = keras.Variable(np.zeros(3, "float32")), TrustRegion()
    outside, copied = keras.ops.sum((variable - 1.0) ** 2), keras.ops.convert_to_tensor(variable.numpy())
    for loss_fn in (lambda: outside, lambda: keras.ops.sum((copied - 1.0) ** 2)):
        with pytest.raises(ValueError, match="loss_fn must return a loss that depends on the variables"):
            WRAPS[wrap](lambda f=loss_fn: optimizer.minimize(f, [variable]))()
    np.testing.assert_array_equal(variable.numpy(), 0.0)


@pytest.mark.parametrize("wrap", EACH)
@pytest.mark.parametrize("norm", [None, "rmsprop"])
def test_a_batch_that_is_fitted_perfectly_leaves_the_radius_alone(wrap, norm):
    variable, optimizer = keras.Variable([3.0, 0.0]), TrustRegion(norm=norm, radius=0.1)
    which = tf.Variable(0.0)
    loss_fn = lambda: which * keras.ops.square(variable[0] - 1.0) + (1 - which) * keras.ops.square(variable[1])  # noqa: E731
    optimizer.build([variable])
    step = WRAPS[wrap](lambda: optimizer.minimize(loss_fn, [variable]))
    for k in range(60):
        which.assign(float(k % 2))
        before = float(optimizer.radius.numpy())
        messages, _ = messages_of(step, 1)
        assert messages == []
        if k % 2 == 0:
            assert float(optimizer.radius.numpy()) == before
    assert variable.numpy()[0] == pytest.approx(1.0, abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("eager", [True, False], ids=["eager", "graph"])
def test_with_mixed_bfloat16_the_trial_loss_sees_the_moved_weights(eager):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        inputs = keras.Input((3,))
        model = TrustRegionModel(inputs, keras.layers.Dense(1)(keras.layers.Dense(8, activation="tanh")(inputs)))
    finally:
        keras.config.set_dtype_policy("float32")
    model.compile(TrustRegion(radius=0.3), loss="mse", run_eagerly=eager)

    def run():
        return model.fit(INPUTS, TARGETS, batch_size=64, epochs=12, shuffle=False, verbose=0).history

    messages, (history,) = messages_of(run, 1)
    assert messages == []
    assert sum(history["accepted"]) >= 6
    assert history["loss"][-1] < 0.5 * history["loss"][0]


@pytest.mark.parametrize("wrap", EACH)
def test_an_outer_tape_does_not_matter(wrap):
    def run(taped):
        variable, optimizer = keras.Variable([3.0, -4.0]), TrustRegion(radius=1.0)
        minimize = lambda: optimizer.minimize(lambda: keras.ops.sum(variable**4), [variable])  # noqa: E731

        def step():
            if not taped:
                return minimize().ratio
            with tf.GradientTape() as tape:
                tape.watch(variable.value)
                return minimize().ratio

        step = WRAPS[wrap](step)
        return [float(step()) for _ in range(5)], variable.numpy()

    (plain, value), (taped, other) = run(False), run(True)
    np.testing.assert_allclose(taped, plain, rtol=1e-6)
    np.testing.assert_allclose(other, value, rtol=1e-6)
    assert min(plain) > 0.1
