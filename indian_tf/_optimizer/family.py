"""A Keras optimizer whose step is a linear map with coefficients of the core: INDIAN in each of its forms."""

from typing import Any, Final

import keras
from keras import ops

from indian_tf._arguments.constructor import checked, checked_learning_rate
from indian_tf._arguments.gradients import checked_gradient
from indian_tf._compat import Variable, index_of, known_variables, uses_weight_decay
from indian_tf._saved.exemptions import SavedExemptions
from indian_tf._saved.state import check_fit, load_own_variables
from indian_tf._step.any_backend import Arrays
from indian_tf._step.dispatch import backend_named
from indian_tf._step.settings import Settings
from indian_tf._step.sharing import OneStep, Sharing

__all__ = ["FamilyOptimizer"]

_BACKEND: Final = backend_named(keras.backend.backend())


class FamilyOptimizer(SavedExemptions):
    """What the optimizers of the family share. A subclass supplies its hyperparameters and its state.

    It has `_own`, `_hyperparameters` and `_steps_of`, and its ``build`` sets `_velocities` and `_accumulators`.

    Args:
        learning_rate: A number >= 0, a schedule, or a function without arguments.
        name: Name of the optimizer; None: that of the class.
        **options: The other options of Keras' base class, checked here; ``use_ema`` and ``ema_momentum`` among them.
    """

    _own: tuple[str, ...] = ()
    """The hyperparameters that Keras' base class does not have; each is an attribute, and a key of the config."""

    _fixed: tuple[str, ...] = ()
    """Those of `_own` that a subclass sets itself; its config does not hold them."""

    _velocities: list[Any]
    """The velocity of each variable, of its shape; None for one that has none."""

    _accumulators: list[Any]
    """The accumulator of the norm of each variable, likewise."""

    def __init__(self, learning_rate: Any, *, name: str | None, **options: Any) -> None:
        # Keras ignores that one with a warning.
        ignored = {"decay": options.pop("decay")} if "decay" in options else {}
        shared = checked(**options)
        super().__init__(learning_rate=checked_learning_rate(learning_rate), name=name, **shared, **ignored)
        self._sharing = Sharing()

    def _hyperparameters(self) -> Settings:
        """The hyperparameters of the step of a variable that decays, as one value."""
        raise NotImplementedError

    def _steps_of(self, index: int | None) -> Any:
        """The steps that the variable of this index has taken; for None a vector of those of all variables.

        A number of no dimensions stands for all variables, too.
        """
        raise NotImplementedError

    def _count(self, indices: list[int]) -> None:
        """Count one step of each of these variables; nothing if the optimizer's iterations are their count."""

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        """Take one step of each variable, as every Keras optimizer does.

        A gradient may have another dtype than its variable.

        Raises:
            TypeError: A gradient is no tensor of real numbers.
            ValueError: A gradient does not have its variable's shape, or there are more or fewer gradients than
                variables. In each case, and in that of an error in the ``update_step`` of a subclass, nothing has
                changed. After an error in a variable's constraint, as on Keras' own optimizers, the variables have
                taken the step, except on the JAX backend.
        """
        grads = list(grads)
        variables = known_variables(self) if trainable_variables is None else list(trainable_variables)
        if not grads or (trainable_variables is None and not self.built):
            super().apply(grads)
            return
        if len(grads) != len(variables):
            raise ValueError(f"grads must be one for each of the {len(variables)} variables, got {len(grads)}")
        pairs = zip(grads, variables, strict=True)
        grads = [None if gradient is None else self._checked(gradient, variable) for gradient, variable in pairs]
        if not self.built:
            self.build(variables)
        # The step of a subclass may raise anything, after other variables have moved.
        with _BACKEND.all_or_nothing([*variables, *self.variables], may_copy=self._has_own_step()):
            super().apply(grads, None if trainable_variables is None else variables)

    def _checked(self, gradient: Any, variable: Any) -> Any:
        """A gradient as Keras can work with it."""
        tensor = _BACKEND.dense(checked_gradient(gradient, variable))
        # Keras adds up gradients and accumulators, and norms of gradients, as they are, and divides by a scale.
        together = self.gradient_accumulation_steps or self.global_clipnorm
        dtype = keras.backend.standardize_dtype(variable.dtype)
        own = keras.backend.standardize_dtype(tensor.dtype)
        return ops.cast(tensor, dtype) if own != dtype and (together or "int" in own) else tensor

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Take one step of one variable.

        A direct call takes the step that `apply` would take with this gradient and learning rate, weight decay
        included. Where the optimizer counts the steps of each variable, it counts this one. As on Keras' own
        optimizers, it neither clips nor accumulates, and leaves ``iterations`` to the caller.

        On PyTorch, `apply` updates many variables at once and calls this only if a subclass replaces it.

        Args:
            gradient: g, a tensor of the variable's shape.
            variable: One of the variables that the optimizer was built with.
            learning_rate: A number or a tensor of no dimensions.

        Raises:
            KeyError: The optimizer was not built with the variable.
            TypeError, ValueError: As `apply`.

        Example:
            >>> import keras
            >>> from indian_tf import INDIAN
            >>> variable = keras.Variable([1.0])
            >>> optimizer = INDIAN(initial_speed=1.0)
            >>> optimizer.build([variable])
            >>> optimizer.update_step(keras.ops.convert_to_tensor([2.0]), variable, 0.25)
            >>> keras.ops.convert_to_numpy(variable).tolist()
            [0.5]
        """
        index = index_of(self, variable)
        step = self._sharing.find(learning_rate)
        if step is None:
            gradient = _BACKEND.dense(checked_gradient(gradient, variable))
            step = OneStep(learning_rate, self._steps_of(index), _BACKEND)
        (settings,) = self._settings([index])
        arrays = Arrays(variable, self._velocities[index], self._accumulators[index])
        _BACKEND.update(arrays, gradient, step.of_variable(index, settings))
        if not self._sharing.is_open:
            self._count([index])

    def _backend_update_step(self, grads: Any, trainable_variables: Any, learning_rate: Any) -> None:
        """Take one step of the variables that have a gradient, and count it. Keras calls this for each update."""
        indices = [index_of(self, variable) for variable in trainable_variables]
        if _BACKEND.updates_many and not self._has_own_step():
            counts = ops.convert_to_numpy(self._steps_of(None))
            arrays = (
                trainable_variables,
                [self._velocities[index] for index in indices],
                [self._accumulators[index] for index in indices],
            )
            steps = [int(counts[index] if counts.ndim else counts) for index in indices]
            _BACKEND.update_many(Arrays(*arrays), grads, self._settings(indices), steps, learning_rate)
        else:
            if isinstance(learning_rate, Variable):
                # Its value is an object of this step alone, by which `update_step` finds what is shared.
                learning_rate = _BACKEND.read(learning_rate, learning_rate.dtype)
            with self._sharing.open(OneStep(learning_rate, self._steps_of(None), _BACKEND)):
                super()._backend_update_step(grads, trainable_variables, learning_rate)
        self._count(indices)

    def _has_own_step(self) -> bool:
        """Whether a subclass replaces the step of a variable."""
        return type(self).update_step is not FamilyOptimizer.update_step

    def _settings(self, indices: list[int]) -> list[Settings]:
        """The hyperparameters of the step of each of these variables."""
        decaying = self._hyperparameters()
        if decaying.weight_decay == 0:
            return [decaying] * len(indices)
        exempt = decaying.without_decay()
        # TensorFlow's own variable, which a step is given there, has another name than Keras'.
        known = known_variables(self)
        variables = [known[index] for index in indices]
        return [decaying if uses_weight_decay(self, variable) else exempt for variable in variables]

    def _apply_weight_decay(self, variables: list[Any]) -> None:
        """Nothing: the coefficients of the step contain the decay, so θ is rounded once."""

    def stateless_apply(self, optimizer_variables: Any, grads: Any, trainable_variables: Any) -> Any:
        """Take one step without changing anything; see `keras.optimizers.Optimizer`. Not on TensorFlow."""
        return _BACKEND.apply_statelessly(super().stateless_apply, optimizer_variables, grads, trainable_variables)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor, and the exemptions from weight decay if there are any."""
        return super().get_config() | {name: getattr(self, name) for name in self._own if name not in self._fixed}

    def load_own_variables(self, store: Any) -> None:
        """Load the state from a store of Keras, or warn that it is another's and load nothing."""
        load_own_variables(self, super().load_own_variables, store)

    def set_weights(self, weights: Any) -> None:
        """Set the state; see `keras.optimizers.Optimizer`.

        Raises:
            ValueError: The arrays are not as many as those of the state, or not of their shapes; none has changed.
        """
        check_fit(self, weights)
        super().set_weights(weights)
