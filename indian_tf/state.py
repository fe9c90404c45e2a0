"""What the optimizer keeps of each variable: velocity, accumulator of the norm, and number of steps."""

from typing import Any

import keras

__all__ = ["State"]

_ACCUMULATOR = "norm_accumulator"


class State(keras.optimizers.Optimizer):
    """An INDIAN optimizer with the state that its norm needs."""

    norm: str | None = None
    norm_dtype: str | None = None

    def build(self, variables: list[Any]) -> None:
        """Create the velocity of each variable, in a norm its accumulator, and the vector of their step counts."""
        if self.built:
            return
        super().build(variables)
        self._velocities = self.add_optimizer_variables(variables, "velocity")
        self._accumulators = [None] * len(variables)
        if self.norm is not None:
            self._accumulators = self.add_optimizer_variables(variables, _ACCUMULATOR)
        # Assigned to as the count of iterations is: outside of the updates that a distribution strategy makes.
        self._steps = self.add_variable((len(variables),), dtype="int", aggregation="only_first_replica", name="steps")

    def add_variable(self, *args: Any, **kwargs: Any) -> Any:
        """Add a variable to the state; see `keras.optimizers.Optimizer`."""
        # Keras gives what it makes for a variable the dtype of that.
        if self.norm_dtype is not None and (kwargs.get("name") or "").endswith(f"_{_ACCUMULATOR}"):
            kwargs["dtype"] = self.norm_dtype
        return super().add_variable(*args, **kwargs)
