"""Random sequences of what users do with the trust region: an error changes nothing, and steps are the reference's."""

from functools import cache

import keras
import numpy as np
import pytest
import tensorflow as tf

from indian_core.trust_region import reference
from indian_tf import INDIAN, TrustRegion
from tests.random_sequences import drive

pytestmark = [pytest.mark.usefixtures("float64"), pytest.mark.slow]

SHAPES = [(2,), (2, 1), ()]
CURVATURE = np.array([1.0, 40.0, 0.5, 3.0, -1.0])
SETTINGS = {"radius": 0.7, "expand_factor": 2.0, "norm_epsilon": 1e-2}
LONGEST = 6
SEQUENCES = 150


@cache
def reference_run(norm, start):
    """With a saddle, so that steps are rejected and curvature is negative."""
    return reference.minimize(
        lambda x: (0.5 * CURVATURE * x**2 + 0.25 * x**4).sum(),
        lambda x: CURVATURE * x + x**3,
        lambda x, v: (CURVATURE + 3 * x**2) * v,
        np.random.default_rng(start).normal(size=5),
        steps=LONGEST,
        norm=norm,
        **SETTINGS,
    )


class World:
    def __init__(self, generator):
        self.generator, self.taken = generator, 0
        self.norm = (None, "rmsprop", "adagrad")[int(generator.integers(3))]
        self.run = reference_run(self.norm, int(generator.integers(5)))
        self.optimizer = TrustRegion(norm=self.norm, **SETTINGS)
        self.variables = self._new_variables(self.run.theta[0])
        self.optimizer.build(self.variables)

    def _new_variables(self, vector):
        parts = np.split(vector, [2, 4])
        pairs = zip(parts, SHAPES, strict=True)
        return [keras.Variable(part.reshape(shape), dtype="float64") for part, shape in pairs]

    def flat(self):
        return np.concatenate([np.ravel(variable.numpy()) for variable in self.variables])

    def loss(self):
        x = tf.concat([tf.reshape(variable.value, [-1]) for variable in self.variables], 0)
        return tf.reduce_sum(0.5 * CURVATURE * x**2 + 0.25 * x**4)

    def snapshot(self):
        return [np.array(variable.numpy()) for variable in self.variables + self.optimizer.variables]

    def refused(self, error, call, *arguments):
        before = self.snapshot()
        with pytest.raises(error):
            call(*arguments)
        self.assert_unchanged(before)

    def assert_unchanged(self, before):
        for value, old in zip(self.snapshot(), before, strict=True):
            np.testing.assert_array_equal(value, old)

    def step(self):
        self.optimizer.minimize(self.loss, self.variables)
        self.taken += 1

    def failing_loss(self):
        """In its first call, at the variables, or in the second, at the trial point."""
        calls, last = [], int(self.generator.integers(1, 3))

        def loss():
            calls.append(None)
            if len(calls) == last:
                raise OSError("no batch left")
            return self.loss()

        self.refused(OSError, self.optimizer.minimize, loss, self.variables)

    def wrong_loss(self):
        wrong = [lambda: tf.ones(()), lambda: tf.ones(2), lambda: 3, lambda: None, "loss"]
        loss = wrong[int(self.generator.integers(len(wrong)))]
        self.refused((TypeError, ValueError), self.optimizer.minimize, loss, self.variables)

    def wrong_variables(self):
        wrong = [[], [*self.variables, keras.Variable(1.0)], "variables"]
        variables = wrong[int(self.generator.integers(len(wrong)))]
        self.refused((TypeError, ValueError), self.optimizer.minimize, self.loss, variables)

    def gradients_alone(self):
        gradients = [tf.ones_like(variable.value) for variable in self.variables]
        self.refused(RuntimeError, self.optimizer.apply, gradients, self.variables)

    def not_finite(self):
        """A step from there is rejected."""
        before = self.snapshot()
        self.variables[0].assign([np.nan, np.inf])
        kept = self.flat()
        self.optimizer.minimize(self.loss, self.variables)
        np.testing.assert_array_equal(self.flat(), kept)
        for variable, old in zip(self.variables + self.optimizer.variables, before, strict=True):
            variable.assign(old)

    def resume(self):
        config, store = self.optimizer.get_config(), {}
        self.optimizer.save_own_variables(store)
        self.variables = self._new_variables(self.flat())
        self.optimizer = TrustRegion.from_config(config)
        self.optimizer.build(self.variables)
        self.optimizer.load_own_variables(store)

    def foreign_state(self):
        others = [keras.optimizers.Nadam(), INDIAN(), TrustRegion(norm="rmsprop")]
        other, store, before = others[int(self.generator.integers(len(others)))], {}, self.snapshot()
        # Those of a norm in another order.
        other.build(self.variables[::-1])
        other.save_own_variables(store)
        with pytest.warns(UserWarning, match="has not loaded the saved state"):
            self.optimizer.load_own_variables(store)
        self.assert_unchanged(before)

    def check(self):
        np.testing.assert_allclose(self.flat(), self.run.theta[self.taken], rtol=1e-7, atol=1e-9)


ACTIONS = [World.step] * 4 + [
    World.failing_loss,
    World.wrong_loss,
    World.wrong_variables,
    World.gradients_alone,
    World.not_finite,
    World.resume,
    World.foreign_state,
]


def test_errors_change_nothing_and_steps_follow_the_reference():
    drive(World, ACTIONS, SEQUENCES, LONGEST)
