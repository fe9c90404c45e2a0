"""What defines a norm: the entry that `indian_core.norms.table` holds for each."""

from collections.abc import Callable
from typing import Any, NamedTuple

from indian_core.norms.coefficients import NormCoefficients

__all__ = ["Norm"]


class Norm(NamedTuple):
    """A diagonal norm that is estimated from the gradients.

    Attributes:
        coefficients: Returns the norm at one step. Takes ``count``, k >= 1, the number of gradients that v will have
            seen, this step's included; ``decay``, σ; ``epsilon``, ε; and ``xp``, the namespace of the arrays.
        depends_on_count: Whether the coefficients differ from step to step. If not, parameters that have taken
            different numbers of steps share them.
        depends_on_decay: Whether the coefficients use ``decay``.
        learning_rate: The default step size of INDIAN in this norm, with the default α and β. Chosen from what
            ``python -m experiments learning_rates`` prints.
        shrink_factor: γ₂, the default of the trust region in this norm: what the radius is divided by after a rejected
            step.
    """

    coefficients: Callable[[Any, Any, Any, Any], NormCoefficients]
    depends_on_count: bool
    depends_on_decay: bool
    learning_rate: float
    shrink_factor: float
