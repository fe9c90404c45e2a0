"""The optimizers of the demo and their hyperparameters, the same in every framework."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from indian_core import DEFAULTS
from indian_core.hyperparameters import resolve_initial_speed

__all__ = ["EPSILON_IN_ADAM", "OPTIMIZERS", "Optimizer", "describe"]


class Optimizer(NamedTuple):
    """An optimizer.

    Attributes:
        name: In `experiments.lib.optimizers`.
        hyperparameters: In the words of the tables.
    """

    name: str
    hyperparameters: Mapping[str, float]

    def in_torch_names(self) -> dict[str, float]:
        """The hyperparameters as `experiments.lib.optimizers` takes them."""
        return {_TORCH_NAMES.get(name, name): value for name, value in self.hyperparameters.items()}


_TORCH_NAMES: Final = {"learning_rate": "lr", "beta_1": "beta1", "beta_2": "beta2", "epsilon": "eps"}

OPTIMIZERS: Final = {
    "INDIAN": Optimizer(
        "INDIAN",
        {
            "learning_rate": DEFAULTS.learning_rate,
            "alpha": DEFAULTS.alpha,
            "beta": DEFAULTS.beta,
            "initial_speed": resolve_initial_speed(DEFAULTS.initial_speed, DEFAULTS.norm),
            "weight_decay": DEFAULTS.weight_decay,
        },
    ),
    "SGD": Optimizer("SGD-Nesterov", {"learning_rate": 0.05, "momentum": 0.9}),
    "Adam": Optimizer("Adam", {"learning_rate": 1e-3, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8}),
}
"""By the name that the tables and figures use."""

EPSILON_IN_ADAM: Final = "Keras' Adam adds ε before the bias correction, that of PyTorch and Optax after it"
"""Why one and the same ε gives another trajectory in Keras."""


def describe(name: str) -> str:
    """One optimizer and its hyperparameters.

    Example:
        >>> describe("SGD")
        'SGD (Nesterov): learning rate 0.05, momentum 0.9'
    """
    values = OPTIMIZERS[name].hyperparameters
    hyperparameters = (f"{key.replace('_', ' ')} {value:g}" for key, value in values.items())
    return f"{name}{' (Nesterov)' if name == 'SGD' else ''}: {', '.join(hyperparameters)}"
