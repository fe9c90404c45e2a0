"""Random sequences of what users do with the transformations, held to two laws.

An error leaves every array that the user holds as it was, donated ones too; and otherwise the trajectory is that of a
plain loop in NumPy.
"""

import copy
import pickle
from functools import cache, partial

import flax.serialization
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from indian_core.dynamics import pre_form, velocity_step
from indian_core.norms import accumulate, norm_coefficients, preconditioned, scale
from indian_core.trust_region import reference
from indian_jax import indian, innaprop, trust_region
from tests.random_sequences import drive

pytestmark = [pytest.mark.usefixtures("x64"), pytest.mark.slow]

SEQUENCES = 700
"""For each of the two tests. With 2 000 they took 77 and 120 s of CPU time, and passed."""

SHAPES = {"a": (2,), "b": (2, 1), "c": ()}
OWN = {"learning_rate": 0.1, "alpha": 0.6, "beta": 0.4, "norm_epsilon": 1e-3}
KINDS = {
    "indian": (indian, {"norm": None, "initial_speed": 1.0, "weight_decay": 0.0}),
    "decay": (indian, {"norm": None, "initial_speed": 0.5, "weight_decay": 0.2}),
    "adagrad": (indian, {"norm": "adagrad", "initial_speed": None, "weight_decay": 0.1}),
    "innaprop": (innaprop, {"norm": "rmsprop", "initial_speed": None, "weight_decay": 0.1}),
}
REFUSALS = (TypeError, ValueError)


@cache
def transformation(kind, injected):
    make, options = KINDS[kind]
    options = {name: value for name, value in options.items() if make is indian or name == "weight_decay"}
    if injected:
        make = optax.inject_hyperparams(make, static_args=tuple(options | OWN)[:-4])
    return make(**options, **OWN)


@cache
def jitted_step(kind, injected):
    """A step that takes the memory of parameters and state over."""
    tx = transformation(kind, injected)

    @partial(jax.jit, donate_argnums=(0, 1))
    def step(params, state, gradients):
        updates, state = tx.update(gradients, state, params)
        # A leaf without a gradient has no update.
        updates = jax.tree.map(lambda p, u: jnp.zeros_like(p) if u is None else u, params, updates)
        return optax.apply_updates(params, updates), state

    return step


class Plain:
    """The same trajectory by a loop over NumPy arrays."""

    def __init__(self, kind, params):
        self.options = KINDS[kind][1] | OWN | {"norm_decay": 0.999}
        self.params = dict(params)
        self.m = {name: np.zeros_like(value) for name, value in params.items()}
        self.v = {name: np.zeros_like(value) for name, value in params.items()}
        self.count = 0

    def step(self, gradients, rate):
        o = self.options
        c = pre_form(
            rate,
            o["alpha"],
            o["beta"],
            initial_speed=o["initial_speed"],
            weight_decay=o["weight_decay"],
            first=self.count == 0,
        )
        norm = norm_coefficients(o["norm"], self.count + 1, o["norm_decay"], o["norm_epsilon"])
        self.count += 1
        for name, g in gradients.items():
            if g is None:
                continue
            self.v[name] = accumulate(self.v[name], g, norm) if o["norm"] else self.v[name]
            g = preconditioned(g, scale(self.v[name], norm, np)) if o["norm"] else g
            moved, self.m[name] = velocity_step(self.params[name], self.m[name], g, c)
            self.params[name] = self.params[name] + moved


class World:
    """A user's parameters and state, beside the plain loop."""

    def __init__(self, generator):
        self.generator = generator
        self.kind, self.injected = generator.choice(list(KINDS)), bool(generator.random() < 0.3)
        values = {name: generator.normal(size=shape) for name, shape in SHAPES.items()}
        self.plain, self.rate = Plain(self.kind, values), 0.1
        self.params = jax.tree.map(jnp.asarray, values)
        self.state = transformation(self.kind, self.injected).init(self.params)

    def gradients(self):
        return {name: self.generator.normal(size=shape) for name, shape in SHAPES.items()}

    def take(self, gradients):
        self.params, self.state = jitted_step(self.kind, self.injected)(self.params, self.state, gradients)

    def own_state(self):
        """The transformation's, within that of `optax.inject_hyperparams`."""
        return self.state.inner_state if self.injected else self.state

    def refused(self, params, state, gradients):
        """By an error that leaves the user's arrays alone."""
        before = [np.array(leaf) for leaf in jax.tree.leaves((self.params, self.state))]
        with pytest.raises(REFUSALS):
            jitted_step(self.kind, self.injected)(params, state, gradients)
        for leaf, old in zip(jax.tree.leaves((self.params, self.state)), before, strict=True):
            np.testing.assert_array_equal(leaf, old)

    def step(self):
        gradients = self.gradients()
        self.take(gradients)
        self.plain.step(gradients, self.rate)

    def step_of_some(self):
        """A leaf without a gradient has None."""
        gradients = self.gradients()
        gradients[self.generator.choice(list(SHAPES))] = None
        self.take(gradients)
        self.plain.step(gradients, self.rate)

    def other_dtype(self):
        gradients = {name: np.round(4 * g) / 4 for name, g in self.gradients().items()}
        before = [leaf.dtype for leaf in jax.tree.leaves((self.params, self.state))]
        self.take(jax.tree.map(lambda g: jnp.asarray(g, jnp.float32), gradients))
        assert [leaf.dtype for leaf in jax.tree.leaves((self.params, self.state))] == before
        # The update has the dtype of the gradient.
        self.plain.step(gradients, self.rate)
        for name, value in self.params.items():
            np.testing.assert_allclose(value, self.plain.params[name], rtol=1e-5, atol=1e-6)
            self.plain.params[name] = np.asarray(value)

    def wrong_gradients(self):
        gradients = self.gradients()
        name = self.generator.choice(list(SHAPES))
        wrong = [np.ones(5), "gradient", object(), {"deeper": np.ones(2)}]
        self.refused(self.params, self.state, gradients | {name: wrong[int(self.generator.integers(len(wrong)))]})
        self.refused(self.params, self.state, {key: g for key, g in gradients.items() if key != name})

    def another_parameter(self):
        """A transformation has no groups: a tree with one leaf more needs another state."""
        more = {"d": jnp.ones(3)}
        self.refused(self.params | more, self.state, self.gradients() | more)

    def wrong_state(self):
        others = [optax.adam(0.1), optax.sgd(0.1, momentum=0.9), trust_region()]
        other = others[int(self.generator.integers(len(others)))].init(self.params)
        state = self.state._replace(inner_state=other) if self.injected else other
        self.refused(self.params, state, self.gradients())

    def state_of_another_order(self):
        own = self.own_state()
        turned = own._replace(velocity=own.velocity | {"a": own.velocity["c"], "c": own.velocity["a"]})
        state = self.state._replace(inner_state=turned) if self.injected else turned
        self.refused(self.params, state, self.gradients())

    def not_finite(self):
        """A step with a NaN in one leaf, from which the user goes back to what was before."""
        before, gradients = jax.tree.map(jnp.array, (self.params, self.state)), self.gradients()
        name = self.generator.choice(list(SHAPES))
        gradients[name] = np.full(SHAPES[name], (np.nan, np.inf)[int(self.generator.integers(2))])
        self.take(gradients)
        assert {key for key, value in self.params.items() if not np.isfinite(value).all()} == {name}
        self.params, self.state = before

    def another_learning_rate(self):
        if self.injected:
            self.rate = float(self.generator.uniform(0.01, 0.2))
            self.state.hyperparams["learning_rate"] = jnp.asarray(self.rate)

    def resume(self):
        pair = (self.params, self.state)
        copies = [
            copy.deepcopy,
            lambda pair: pickle.loads(pickle.dumps(pair)),
            lambda pair: flax.serialization.from_bytes(
                jax.tree.map(jnp.zeros_like, pair), flax.serialization.to_bytes(pair)
            ),
        ]
        restored = copies[int(self.generator.integers(len(copies)))](pair)
        self.params, self.state = jax.tree.map(jnp.asarray, restored)

    def check(self):
        for name, value in self.params.items():
            np.testing.assert_allclose(value, self.plain.params[name], rtol=1e-9, atol=1e-11)


ACTIONS = [World.step] * 4 + [
    World.step_of_some,
    World.other_dtype,
    World.wrong_gradients,
    World.another_parameter,
    World.wrong_state,
    World.state_of_another_order,
    World.not_finite,
    World.another_learning_rate,
    World.resume,
]


@pytest.mark.thorough
def test_errors_change_nothing_and_steps_follow_a_plain_loop():
    drive(World, ACTIONS, SEQUENCES, longest=6)


# The trust region


CURVATURES = {"a": np.array([1.0, 40.0]), "b": np.array([[0.5], [3.0]]), "c": np.array(-1.0)}


def loss_of(params):
    """Of NumPy arrays too: with a saddle in c, so that steps are rejected and curvature is negative."""
    return sum(((0.5 * CURVATURES[name] * p**2) + 0.25 * p**4).sum() for name, p in params.items())


def flat(tree):
    return np.concatenate([np.ravel(tree[name]) for name in SHAPES])


def unflat(vector):
    parts = np.split(vector, np.cumsum([int(np.prod(shape)) for shape in SHAPES.values()])[:-1])
    return {name: part.reshape(shape) for (name, shape), part in zip(SHAPES.items(), parts, strict=True)}


SETTINGS = {"radius": 0.7, "expand_factor": 2.0, "norm_epsilon": 1e-2}
LONGEST = 6


@cache
def region_run(norm, start):
    """The iterates of the reference, from one of some starts."""
    curvature = flat(CURVATURES)
    return reference.minimize(
        lambda x: loss_of(unflat(x)),
        lambda x: curvature * x + x**3,
        lambda x, v: (curvature + 3 * x**2) * v,
        np.random.default_rng(start).normal(size=5),
        steps=LONGEST,
        norm=norm,
        **SETTINGS,
    )


@cache
def region_step(norm):
    tx = trust_region(norm=norm, **SETTINGS)

    @partial(jax.jit, donate_argnums=(0, 1), static_argnums=(2,))
    def step(params, state, value_fn=loss_of, gradients=None):
        value, grad = jax.value_and_grad(loss_of)(params)
        grad = grad if gradients is None else gradients
        updates, state = tx.update(grad, state, params, value=value, grad=grad, value_fn=value_fn)
        return optax.apply_updates(params, updates), state

    return step


def without_parameters(params):
    del params
    return jnp.zeros(())


def of_two_values(params):
    return params["a"]


def whole_number(params):
    del params
    return 3


def no_batch_left(params):
    raise ValueError("no batch left")


class Region:
    """A user's parameters and the state of a trust region, beside a run of the reference."""

    def __init__(self, generator):
        self.generator, self.taken = generator, 0
        self.norm = (None, "rmsprop", "adagrad")[int(generator.integers(3))]
        self.run = region_run(self.norm, int(generator.integers(5)))
        self.params = jax.tree.map(jnp.asarray, unflat(self.run.theta[0]))
        self.state = trust_region(norm=self.norm, **SETTINGS).init(self.params)

    def step(self):
        self.params, self.state = region_step(self.norm)(self.params, self.state)
        self.taken += 1

    def _refused(self, *arguments):
        before = [np.array(leaf) for leaf in jax.tree.leaves((self.params, self.state))]
        with pytest.raises(REFUSALS):
            region_step(self.norm)(*arguments)
        for leaf, old in zip(jax.tree.leaves((self.params, self.state)), before, strict=True):
            np.testing.assert_array_equal(leaf, old)

    def wrong_function(self):
        wrong = [without_parameters, of_two_values, whole_number, no_batch_left, "loss"]
        self._refused(self.params, self.state, wrong[int(self.generator.integers(len(wrong)))])

    def wrong_gradients(self):
        gradients = {name: np.ones(shape) for name, shape in SHAPES.items()}
        wrong = [{"a": np.ones(3)}, {"b": "gradient"}, {"d": np.ones(1)}]
        self._refused(self.params, self.state, loss_of, gradients | wrong[int(self.generator.integers(len(wrong)))])

    def wrong_state(self):
        others = [optax.adam(0.1), indian(), innaprop(), optax.sgd(0.1, momentum=0.9)]
        self._refused(self.params, others[int(self.generator.integers(len(others)))].init(self.params))

    def state_of_another_order(self):
        v = self.state.accumulator
        if v is not None:
            self._refused(self.params, self.state._replace(accumulator=v | {"a": v["c"], "c": v["a"]}))

    def not_finite(self):
        """Of a loss that is not finite, the step is rejected."""
        before = jax.tree.map(jnp.array, (self.params, self.state))
        self.params = self.params | {"c": jnp.full((), np.inf)}
        kept = flat(self.params)
        self.params, state = region_step(self.norm)(self.params, self.state)
        assert not state.report.accepted
        np.testing.assert_array_equal(flat(self.params), kept)
        self.params, self.state = before

    resume = World.resume

    def check(self):
        np.testing.assert_allclose(flat(self.params), self.run.theta[self.taken], rtol=1e-7, atol=1e-9)


REGION_ACTIONS = [Region.step] * 4 + [
    Region.wrong_function,
    Region.wrong_gradients,
    Region.wrong_state,
    Region.state_of_another_order,
    Region.not_finite,
    Region.resume,
]


@pytest.mark.thorough
def test_errors_change_nothing_and_trust_regions_follow_the_reference():
    drive(Region, REGION_ACTIONS, SEQUENCES, LONGEST)
