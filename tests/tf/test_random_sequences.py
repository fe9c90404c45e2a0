"""Random sequences of what users do, held to two laws.

An error changes nothing; and otherwise the trajectory of each variable is that of the phase form, or of the damping
form.
"""

import keras
import numpy as np
import pytest

from indian_core.reference import PhaseForm
from indian_tf import INDIAN, DampedAdamW, DampedSGD, INNAprop
from tests.damped_form import DampedForm
from tests.random_sequences import drive

pytestmark = [
    pytest.mark.usefixtures("float64"),
    pytest.mark.filterwarnings("ignore:Gradients do not exist for variables"),
    pytest.mark.slow,
]

# One by one, operations take longer in TensorFlow and JAX.
SEQUENCES = {"torch": 500, "tensorflow": 100, "jax": 50}[keras.backend.backend()]
"""For each kind."""

SHAPES = [(2,), (2, 1), (), (3,)]
KINDS = {
    "INDIAN": (INDIAN, {"norm": None, "initial_speed": 1.0, "weight_decay": 0.0}),
    "decay": (INDIAN, {"norm": None, "initial_speed": 0.5, "weight_decay": 0.2}),
    "INNAprop": (INNAprop, {"norm": "rmsprop", "initial_speed": None, "weight_decay": 0.1}),
    "adagrad": (INDIAN, {"norm": "adagrad", "initial_speed": None, "weight_decay": 0.1}),
}
DAMPED_KINDS = {
    "DampedSGD": (DampedSGD, {"momentum": 0.8, "damping": 3.0}, {}),
    "DampedAdamW": (
        DampedAdamW,
        {"beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-3, "damping": 3.0},
        {"order": "adam", "norm_decay": 0.9, "norm_epsilon": 1e-3},
    ),
}
OWN = {"alpha": 0.6, "beta": 0.4, "norm_decay": 0.9, "norm_epsilon": 1e-3}


def assert_same(values, expected):
    for value, old in zip(values, expected, strict=True):
        np.testing.assert_array_equal(value, old)


class World:
    """An optimizer with its variables, beside the phase form of each variable."""

    def __init__(self, kind, generator, tensor):
        self.generator, self.tensor = generator, tensor
        self.exempt = set(generator.choice(len(SHAPES), size=generator.integers(0, 3), replace=False).tolist())
        self.variables = self._new_variables([generator.normal(size=shape) for shape in SHAPES])
        if kind in DAMPED_KINDS:
            self._make_damped(*DAMPED_KINDS[kind])
        else:
            self._make(*KINDS[kind])
        self._exempt()

    def _make(self, cls, options):
        fixed = {"norm", "initial_speed"} if cls is INNAprop else set()
        given = {name: value for name, value in (options | OWN).items() if name not in fixed}
        self.optimizer = cls(learning_rate=0.1, **given)
        rates = [0.0 if k in self.exempt else options["weight_decay"] for k in range(len(SHAPES))]
        self.forms = [
            PhaseForm(variable.numpy(), **(options | OWN | {"weight_decay": rate}))
            for variable, rate in zip(self.variables, rates, strict=True)
        ]

    def _make_damped(self, cls, options, norm):
        self.optimizer = cls(learning_rate=0.1, weight_decay=0.2, **options)
        rates = [0.0 if k in self.exempt else 0.2 for k in range(len(SHAPES))]
        self.forms = [
            DampedForm(variable.numpy(), 0.8, 3.0, rate, **norm)
            for variable, rate in zip(self.variables, rates, strict=True)
        ]

    def _advance(self, k, gradient, rate=None):
        """Let the form of a variable follow the step of the optimizer, one by `apply` if no rate is given."""
        number = int(keras.ops.convert_to_numpy(self.optimizer.iterations)) + (rate is not None)
        rate = float(keras.ops.convert_to_numpy(self.optimizer.learning_rate)) if rate is None else rate
        # The damped optimizers have one count for all variables.
        of_all = {"count": number} if isinstance(self.forms[k], DampedForm) else {}
        self.forms[k].step(gradient, rate, **of_all)

    def _new_variables(self, values):
        return [keras.Variable(value, dtype="float64", name=f"v{k}") for k, value in enumerate(values)]

    def _exempt(self):
        if self.exempt:
            self.optimizer.exclude_from_weight_decay(var_list=[self.variables[k] for k in self.exempt])
        self.optimizer.build(self.variables)

    def gradients(self):
        return [self.generator.normal(size=shape) for shape in SHAPES]

    def snapshot(self):
        return [np.array(variable.numpy()) for variable in self.variables + self.optimizer.variables]

    def step(self):
        """Of all variables, or of some, in any order, the rest without a gradient or not named at all."""
        chosen = self.generator.permutation(len(SHAPES))[: self.generator.integers(1, len(SHAPES) + 1)].tolist()
        gradients = self.gradients()
        if self.generator.random() < 0.5:
            self.optimizer.apply([self.tensor(gradients[k]) for k in chosen], [self.variables[k] for k in chosen])
        else:
            given = [self.tensor(g) if k in chosen else None for k, g in enumerate(gradients)]
            self.optimizer.apply(given, self.variables)
        for k in chosen:
            self._advance(k, gradients[k])

    def step_of_one(self):
        k, rate = int(self.generator.integers(len(SHAPES))), float(self.generator.uniform(0.01, 0.2))
        gradient = self.gradients()[k]
        self.optimizer.update_step(self.tensor(gradient), self.variables[k], rate)
        self._advance(k, gradient, rate)

    def another_learning_rate(self):
        self.optimizer.learning_rate = float(self.generator.uniform(0.01, 0.2))

    def error(self):
        """One gradient is of another shape, or none at all; or there is one too few."""
        gradients = [self.tensor(gradient) for gradient in self.gradients()]
        k = int(self.generator.integers(len(SHAPES)))
        wrong = [self.tensor(np.ones(5)), "gradient", object(), [1.0] * 7]
        gradients[k] = wrong[int(self.generator.integers(len(wrong)))]
        before = self.snapshot()
        with pytest.raises((TypeError, ValueError), match=f"the gradient of v{k} must be"):
            self.optimizer.apply(gradients, self.variables)
        with pytest.raises(ValueError, match="grads must be one for each"):
            self.optimizer.apply(gradients[:-1], self.variables)
        assert_same(self.snapshot(), before)

    def unknown_variable(self):
        """An optimizer has no groups: a variable more needs another optimizer."""
        before = self.snapshot()
        gradients = [self.tensor(gradient) for gradient in self.gradients()]
        with pytest.raises(ValueError, match="Unknown variable"):
            self.optimizer.apply([*gradients, self.tensor([1.0])], [*self.variables, keras.Variable([1.0])])
        assert_same(self.snapshot(), before)

    def step_with_other_dtypes(self):
        numbers = [np.round(4 * gradient) / 4 for gradient in self.gradients()]
        dtypes = self.generator.choice(["float64", "float32", "bfloat16", "float16"], size=len(SHAPES))
        pairs = zip(numbers, dtypes, strict=True)
        self.optimizer.apply([self.tensor(number, str(dtype)) for number, dtype in pairs], self.variables)
        for k, number in enumerate(numbers):
            self._advance(k, number)

    def not_finite(self):
        """A step with a NaN in one gradient, from which the user goes back to what was before."""
        before, gradients = self.snapshot(), [self.tensor(gradient) for gradient in self.gradients()]
        k = int(self.generator.integers(len(SHAPES)))
        gradients[k] = self.tensor(np.full(SHAPES[k], np.nan))
        self.optimizer.apply(gradients, self.variables)
        assert [bool(np.isnan(v.numpy()).any()) for v in self.variables] == [j == k for j in range(len(SHAPES))]
        for variable, old in zip(self.variables + self.optimizer.variables, before, strict=True):
            variable.assign(old)

    def resume(self):
        """Save config, state and variables, and go on with a new optimizer of new variables."""
        config, store = self.optimizer.get_config(), {}
        self.optimizer.save_own_variables(store)
        cls = type(self.optimizer)
        self.variables = self._new_variables([variable.numpy() for variable in self.variables])
        self.optimizer = cls.from_config(config)
        assert self.optimizer.get_config() == config
        self.optimizer.build(self.variables)
        self.optimizer.load_own_variables(store)

    def foreign_state(self):
        """The state of another optimizer, or of the variables in another order, is not taken in."""
        others = [keras.optimizers.Nadam(), keras.optimizers.SGD(momentum=0.9), INDIAN(), INNAprop(), INDIAN()]
        k = int(self.generator.integers(len(others)))
        variables, store, before = self.variables, {}, self.snapshot()
        if k == 4 or self._has_a_state_like(others[k]):
            variables = variables[::-1]
        others[k].build(variables)
        others[k].save_own_variables(store)
        with pytest.warns(UserWarning, match="has not loaded the saved state"):
            self.optimizer.load_own_variables(store)
        assert_same(self.snapshot(), before)
        with pytest.raises(ValueError, match="the arrays must be those of a state"):
            self.optimizer.set_weights([store[key] for key in sorted(store, key=int)])
        assert_same(self.snapshot(), before)

    def _has_a_state_like(self, other):
        """INDIAN without a norm has the state of any other one without a norm, and DampedSGD that of Keras' SGD."""
        if isinstance(self.optimizer, INDIAN) and isinstance(other, INDIAN):
            return (other.norm is None) == (self.optimizer.norm is None)
        return isinstance(self.optimizer, DampedSGD) and isinstance(other, keras.optimizers.SGD)

    def check(self):
        for variable, form in zip(self.variables, self.forms, strict=True):
            np.testing.assert_allclose(variable.numpy(), form.theta, rtol=1e-9, atol=1e-12)


ACTIONS = [World.step] * 4 + [
    World.step_of_one,
    World.another_learning_rate,
    World.error,
    World.unknown_variable,
    World.step_with_other_dtypes,
    World.not_finite,
    World.resume,
    World.foreign_state,
]


@pytest.mark.parametrize("kind", [*KINDS, *DAMPED_KINDS])
def test_errors_change_nothing_and_steps_follow_the_phase_form(kind, tensor):
    drive(lambda generator: World(kind, generator, tensor), ACTIONS, SEQUENCES, longest=6, key=[*map(ord, kind)])
