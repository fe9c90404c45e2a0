"""The optimizers of the demo and their hyperparameters, the same in every framework."""

from typing import Final, NamedTuple

from indian_core import DEFAULTS
from indian_core.hyperparameters import Defaults, resolve_initial_speed

__all__ = ["ADAM", "EPSILON_IN_ADAM", "INDIAN", "OPTIMIZERS", "SGD", "Adam", "NesterovSGD", "describe"]


class NesterovSGD(NamedTuple):
    """SGD with Nesterov momentum."""

    learning_rate: float = 0.05
    momentum: float = 0.9


class Adam(NamedTuple):
    """Adam."""

    learning_rate: float = 1e-3
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8


INDIAN: Final = DEFAULTS._replace(initial_speed=resolve_initial_speed(DEFAULTS.initial_speed, DEFAULTS.norm))
SGD: Final = NesterovSGD()
ADAM: Final = Adam()

OPTIMIZERS: Final[dict[str, Defaults | NesterovSGD | Adam]] = {"INDIAN": INDIAN, "SGD": SGD, "Adam": ADAM}
"""Hyperparameters by the name that the tables and figures use."""

EPSILON_IN_ADAM: Final = "Keras' Adam adds ε before the bias correction, that of PyTorch and Optax after it"
"""Why one and the same ε gives another trajectory in Keras."""


def describe(name: str) -> str:
    """One optimizer and its hyperparameters.

    Example:
        >>> describe("SGD")
        'SGD (Nesterov): learning rate 0.05, momentum 0.9'
    """
    values = {key: value for key, value in OPTIMIZERS[name]._asdict().items() if not key.startswith("norm")}
    hyperparameters = (f"{key.replace('_', ' ')} {value:g}" for key, value in values.items())
    return f"{name}{' (Nesterov)' if name == 'SGD' else ''}: {', '.join(hyperparameters)}"
