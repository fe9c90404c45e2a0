"""The settings of a variable: its hyperparameters as one immutable value."""

from typing import NamedTuple

__all__ = ["Settings"]


class Settings(NamedTuple):
    """The hyperparameters of a variable's step, apart from the learning rate.

    Attributes:
        alpha: α.
        beta: β.
        initial_speed: s; None is s = β.
        weight_decay: λ of this variable; 0 if it is exempt.
        norm: None or a key of `indian_core.norms.NORMS`.
        norm_decay: σ.
        norm_epsilon: ε.
    """

    alpha: float
    beta: float
    initial_speed: float | None
    weight_decay: float
    norm: str | None
    norm_decay: float
    norm_epsilon: float
