"""Step sizes γ_k as functions of the step number k, and whether they meet Assumption 1 of the paper.

A schedule is an immutable value; calling it with k = 0, 1, 2, … gives γ_k. k may be a Python number, a NumPy array or
an array of any framework. Source: Castera, Bolte, Févotte, Pauwels, "An Inertial Newton Algorithm for Deep Learning"
(2019), Assumption 1 and §5.2.
"""

import math
import numbers
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from indian_core.hyperparameters import NON_NEGATIVE, check_number, check_whole_number

__all__ = ["Assumption1", "Constant", "LogarithmicDecay", "PowerDecay", "Schedule", "assumption_1"]


@dataclass(frozen=True)
class Constant:
    """γ_k = γ₀. Allowed in practice, outside the convergence theorem.

    Args:
        initial: γ₀ >= 0.

    Raises:
        TypeError, ValueError: ``initial`` is not a number in its range.

    Example:
        >>> Constant(0.1)(7)
        0.1
    """

    initial: float

    def __post_init__(self) -> None:
        check_number("initial", self.initial, NON_NEGATIVE)

    def __call__(self, k: Any) -> Any:
        """γ_k."""
        # The division makes a float of an integer array, which TensorFlow adds to no other float.
        return self.initial + 0 * (k / 1)


@dataclass(frozen=True)
class PowerDecay:
    """γ_k = γ₀(k + 1)^(−q), after a linear warm-up if there is one.

    With W = ``warmup_steps``, γ_k = γ₀(k + 1)/(W + 1) for k < W and γ₀(k − W + 1)^(−q) from then on. q = 1/2 is the
    papers' protocol, q = 1/4 and 1/8 the faster ones of its Figure 4.

    Args:
        initial: γ₀ >= 0, the largest step size.
        power: q >= 0.
        warmup_steps: W >= 0, an integer.

    Raises:
        TypeError, ValueError: An argument is not a number in its range.

    Example:
        >>> PowerDecay(0.1, power=0.5)(3)
        0.05
        >>> [PowerDecay(1.0, power=1.0, warmup_steps=1)(k) for k in range(3)]
        [0.5, 1.0, 0.5]
    """

    initial: float
    power: float = 0.5
    warmup_steps: int = 0

    def __post_init__(self) -> None:
        check_number("initial", self.initial, NON_NEGATIVE)
        check_number("power", self.power, NON_NEGATIVE)
        check_whole_number("warmup_steps", self.warmup_steps)

    def __call__(self, k: Any) -> Any:
        """γ_k."""
        # Operators only, hence |x| in place of max(x, 0): the sums are twice a whole number.
        since_peak = k - self.warmup_steps
        steps_of_decay = (since_peak + abs(since_peak)) / 2
        decayed = self.initial * (steps_of_decay + 1) ** -self.power
        if self.warmup_steps == 0:
            return decayed
        steps_to_peak = (abs(since_peak) - since_peak) / 2
        return decayed * (1 - steps_to_peak / (self.warmup_steps + 1))


@dataclass(frozen=True)
class LogarithmicDecay:
    """γ_k = γ₀ / log(k + e)^p: for p > 1 the slow end of what Assumption 1 allows.

    Args:
        initial: γ₀ >= 0.
        power: p >= 0.

    Raises:
        TypeError, ValueError: ``initial`` or ``power`` is not a number in its range.

    Example:
        >>> LogarithmicDecay(0.1, power=2.0)(0)
        0.1
    """

    initial: float
    power: float = 2.0

    def __post_init__(self) -> None:
        check_number("initial", self.initial, NON_NEGATIVE)
        check_number("power", self.power, NON_NEGATIVE)

    def __call__(self, k: Any, log: Callable[[Any], Any] | None = None) -> Any:
        """γ_k; ``log`` is the natural logarithm for k's type, which TensorFlow's tensors need: ``tf.math.log``."""
        # As in Constant, k may be an integer array of TensorFlow.
        return self.initial * (log or _natural_logarithm)(k / 1 + math.e) ** -self.power


Schedule: TypeAlias = Constant | PowerDecay | LogarithmicDecay


class Assumption1(NamedTuple):
    """Whether a schedule meets Assumption 1, and why.

    Attributes:
        holds: Whether it does; also the truth value.
        reason: One sentence.
    """

    holds: bool
    reason: str

    def __bool__(self) -> bool:
        return self.holds


def assumption_1(schedule: Schedule) -> Assumption1:
    """Whether a schedule meets Assumption 1: γ_k > 0, Σγ_k = ∞ and γ_k log k → 0.

    Under it, and if the iterates stay bounded, mini-batch INDIAN converges to D-critical points (Theorem 3).

    Args:
        schedule: One of the schedules of this module. The question is about the limit k → ∞, so it cannot be answered
            for an arbitrary function.

    Raises:
        TypeError: ``schedule`` is anything else.

    Example:
        >>> bool(assumption_1(PowerDecay(0.1, power=0.25)))
        True
        >>> assumption_1(Constant(0.1)).reason
        'γ_k log k grows without bound: the step size does not decrease'
    """
    match schedule:
        case Constant():
            power, logarithmic_power = 0.0, 0.0
        case PowerDecay():
            power, logarithmic_power = schedule.power, 0.0
        case LogarithmicDecay():
            power, logarithmic_power = 0.0, schedule.power
        case _:
            raise TypeError(
                "schedule must be a Constant, PowerDecay or LogarithmicDecay, "
                f"got {schedule!r} of type {type(schedule).__name__}"
            )
    # All of them behave like γ₀ k^(−power) (log k)^(−logarithmic_power) in the limit.
    if schedule.initial == 0:
        return Assumption1(False, "γ_k is 0, and must be positive")
    if power > 1:
        return Assumption1(False, f"Σγ_k is finite: the power is {power:g}, and at most 1 is allowed")
    if power == 0 and logarithmic_power == 0:
        return Assumption1(False, "γ_k log k grows without bound: the step size does not decrease")
    if power == 0 and logarithmic_power <= 1:
        return Assumption1(
            False,
            f"γ_k log k does not tend to 0: the logarithm's power is {logarithmic_power:g}, and must exceed 1",
        )
    return Assumption1(True, "Σγ_k is infinite and γ_k log k tends to 0")


def _natural_logarithm(x: Any) -> Any:
    """The logarithm of a number, or of an array that knows its own: NumPy's, JAX's, torch's."""
    if isinstance(x, numbers.Real):
        return math.log(x)
    if hasattr(x, "__array_namespace__"):
        return x.__array_namespace__().log(x)
    if hasattr(x, "log"):
        return x.log()
    raise TypeError(f"log must be given for a step number of type {type(x).__name__}")
