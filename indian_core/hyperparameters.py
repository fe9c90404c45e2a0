"""The hyperparameters of the method: names, defaults, ranges and error messages, for every adapter."""

import math
import numbers
from collections.abc import Collection, Sequence
from typing import Any, Final, Literal, NamedTuple

__all__ = [
    "DAMPING",
    "DECAY",
    "DEFAULTS",
    "INNAPROP_DEFAULTS",
    "MOMENTUM",
    "NON_NEGATIVE",
    "POSITIVE",
    "RANGES",
    "Defaults",
    "Range",
    "check",
    "check_choice",
    "check_flag",
    "check_number",
    "check_shape",
    "check_started",
    "check_whole_number",
    "resolve_initial_speed",
]


class Defaults(NamedTuple):
    """Default hyperparameters of INDIAN, the same in every adapter.

    Attributes:
        learning_rate: Step size γ; that of INDIAN is for no norm, see `indian_core.norms.table`.
            Chosen, with ``alpha`` and ``beta``, from the measurements that ``python -m experiments defaults`` prints.
        alpha: Viscous damping α.
        beta: Newton damping β.
        initial_speed: Initial speed s, so that θ̇(0) = −s ∇J(θ₀). The paper uses 1 (HAL hal-02140748, §5.2.1). None is
            s = β: a velocity m of 0. "auto" is one of these two, see `resolve_initial_speed`.
        weight_decay: Decay rate λ.
        norm: The norm that the method works in, a key of `indian_core.norms.NORMS`; None is the Euclidean.
        norm_decay: σ of the RMSProp norm.
        norm_epsilon: ε of the RMSProp and AdaGrad norms.
    """

    learning_rate: float = 0.1
    alpha: float = 0.25
    beta: float = 0.8
    initial_speed: float | Literal["auto"] | None = "auto"
    weight_decay: float = 0.0
    norm: str | None = None
    norm_decay: float = 0.999
    norm_epsilon: float = 1e-8


DEFAULTS: Final = Defaults()

INNAPROP_DEFAULTS: Final = Defaults(
    learning_rate=1e-3, alpha=0.1, beta=0.9, initial_speed=None, weight_decay=0.01, norm="rmsprop"
)
"""Those of INNAprop, as published by Bolte, Boustany, Pauwels, Purica (2024)."""


class Range(NamedTuple):
    """The values that a hyperparameter may take: the finite numbers from ``minimum`` to ``maximum``, and ``others``.

    Attributes:
        minimum: The smallest value.
        exclusive: Whether ``minimum`` itself is left out.
        maximum: The largest value.
        exclusive_maximum: Whether ``maximum`` itself is left out.
        others: Values that are no numbers: strings, or None.
    """

    minimum: float = -math.inf
    exclusive: bool = False
    maximum: float = math.inf
    exclusive_maximum: bool = False
    others: tuple[str | None, ...] = ()

    def __contains__(self, value: object) -> bool:
        if not isinstance(value, numbers.Real):
            return self.is_other(value)
        try:
            number = float(value)
        except OverflowError:
            return False
        if not math.isfinite(number) or (self.exclusive and number == self.minimum):
            return False
        if self.exclusive_maximum and number == self.maximum:
            return False
        return self.minimum <= number <= self.maximum

    def is_other(self, value: object) -> bool:
        """Whether it is one of ``others``."""
        return (value is None or isinstance(value, str)) and value in self.others

    def __str__(self) -> str:
        return _alternatives([self._numbers(), *map(repr, self.others)])

    def _numbers(self) -> str:
        if self.minimum == -math.inf:
            return "a finite number"
        if self.maximum < math.inf:
            start, end = "(" if self.exclusive else "[", ")" if self.exclusive_maximum else "]"
            return f"a number in {start}{self.minimum:g}, {self.maximum:g}{end}"
        return f"a finite number {'>' if self.exclusive else '>='} {self.minimum:g}"


NON_NEGATIVE: Final = Range(0.0)
POSITIVE: Final = Range(0.0, exclusive=True)
MOMENTUM: Final = Range(0.0, maximum=1.0)
DECAY: Final = Range(0.0, maximum=1.0, exclusive_maximum=True)
DAMPING: Final = POSITIVE

RANGES: Final = {
    "lr": NON_NEGATIVE,
    "learning_rate": NON_NEGATIVE,
    "alpha": NON_NEGATIVE,
    "beta": POSITIVE,
    "initial_speed": Range(others=("auto", None)),
    "weight_decay": NON_NEGATIVE,
    "norm_decay": DECAY,
    "norm_epsilon": NON_NEGATIVE,
}


def check(**hyperparameters: Any) -> dict[str, Any]:
    """The hyperparameters as Python numbers, if every one lies in its range; ``initial_speed`` may be "auto" or None.

    Args:
        **hyperparameters: Values by name, the names being keys of `RANGES`. A value is a Python or NumPy number, or an
            array of any framework that holds exactly one real number.

    Raises:
        TypeError: A value is not a number, or a name not that of a hyperparameter.
        ValueError: A value is out of its range, not finite, or an array of more or fewer than one number.

    Example:
        >>> check(alpha=0.5, beta=1)
        {'alpha': 0.5, 'beta': 1.0}
        >>> check(beta=0)
        Traceback (most recent call last):
        ...
        ValueError: beta must be a finite number > 0, got 0
    """
    for name in hyperparameters.keys() - RANGES.keys():
        raise TypeError(f"a hyperparameter must be one of {', '.join(RANGES)}, got {name}")
    return {
        name: value if RANGES[name].is_other(value) else check_number(name, value, RANGES[name])
        for name, value in hyperparameters.items()
    }


def resolve_initial_speed(initial_speed: Any, norm: str | None) -> Any:
    """The initial speed that "auto" stands for: the paper's 1 without a norm, None, from rest, in one.

    In a norm, the entries of the first scaled gradient are signs, so a speed of 1 would give all parameters a velocity
    near 1, however small they are.

    Args:
        initial_speed: Any value; it is returned unless it is "auto".
        norm: The norm in which the steps are taken; None is the Euclidean.

    Example:
        >>> resolve_initial_speed("auto", norm=None)
        1.0
        >>> print(resolve_initial_speed("auto", norm="adagrad"))
        None
        >>> resolve_initial_speed(0.5, norm="adagrad")
        0.5
    """
    if not isinstance(initial_speed, str) or initial_speed != "auto":
        return initial_speed
    return 1.0 if norm is None else None


def check_number(name: str, value: Any, allowed: Range) -> float:
    """The argument ``name`` as a Python number, if it is one real number in ``allowed``.

    Raises:
        TypeError: ``value`` is not a number.
        ValueError: ``value`` is out of range, not finite, or an array of more or fewer than one number.

    Example:
        >>> check_number("power", float("nan"), NON_NEGATIVE)
        Traceback (most recent call last):
        ...
        ValueError: power must be a finite number >= 0, got nan
    """
    number = _single_number(name, value, allowed)
    if isinstance(number, bool) or not isinstance(number, numbers.Real):
        raise TypeError(f"{name} must be {allowed}, got {number!r} of type {type(number).__name__}")
    if number not in allowed:
        raise ValueError(f"{name} must be {allowed}, got {number!r}")
    return float(number)


def check_whole_number(name: str, value: Any, *, minimum: int = 0) -> None:
    """Raise an error unless ``value``, the argument ``name``, is an integer >= ``minimum``.

    Raises:
        TypeError: ``value`` is not an integer.
        ValueError: ``value`` is too small.

    Example:
        >>> check_whole_number("warmup_steps", -1)
        Traceback (most recent call last):
        ...
        ValueError: warmup_steps must be an integer >= 0, got -1
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be an integer >= {minimum}, got {_shown(value)} of type {type(value).__name__}")
    if value < minimum:
        raise ValueError(f"{name} must be an integer >= {minimum}, got {value!r}")


def check_flag(name: str, value: Any, *, optional: bool = False) -> None:
    """Raise an error unless ``value``, the argument ``name``, is a bool, or None where ``optional``.

    Raises:
        TypeError: ``value`` is anything else.

    Example:
        >>> check_flag("maximize", "no")
        Traceback (most recent call last):
        ...
        TypeError: maximize must be True or False, got 'no' of type str
    """
    if isinstance(value, bool) or (optional and value is None):
        return
    allowed = "True, False or None" if optional else "True or False"
    raise TypeError(f"{name} must be {allowed}, got {_shown(value)} of type {type(value).__name__}")


def check_choice(name: str, value: Any, choices: Collection[str], *, optional: bool = False) -> None:
    """Raise an error unless ``value``, the argument ``name``, is one of the strings, or None where ``optional``.

    Raises:
        TypeError: ``value`` is no string.
        ValueError: ``value`` is another string.

    Example:
        >>> check_choice("norm", "adam", ("rmsprop", "adagrad"), optional=True)
        Traceback (most recent call last):
        ...
        ValueError: norm must be 'rmsprop', 'adagrad' or None, got 'adam'
    """
    if optional and value is None:
        return
    allowed = _alternatives([repr(choice) for choice in choices] + (["None"] if optional else []))
    if not isinstance(value, str):
        raise TypeError(f"{name} must be {allowed}, got {_shown(value)} of type {type(value).__name__}")
    if value not in choices:
        raise ValueError(f"{name} must be {allowed}, got {value!r}")


def check_shape(name: str, shape: Sequence[int | None], expected: Sequence[int | None]) -> None:
    """Raise an error unless an array has the shape that it must have; arithmetic would broadcast it.

    Args:
        name: What the array is, for the message.
        shape: Its shape; None is a size that is not known yet.
        expected: The shape that it must have, likewise.

    Raises:
        ValueError: The shapes differ.

    Example:
        >>> check_shape("gradient", (1,), (3,))
        Traceback (most recent call last):
        ...
        ValueError: gradient must be of shape (3,), got an array of shape (1,)
    """
    shape, expected = tuple(shape), tuple(expected)
    same_sizes = all(a == b or a is None or b is None for a, b in zip(shape, expected, strict=False))
    if len(shape) != len(expected) or not same_sizes:
        raise ValueError(f"{name} must be of shape {expected}, got an array of shape {shape}")


def check_started(name: str, steps: int) -> None:
    """Raise an error unless what ``name`` stands for has taken a step, before which its phase is unknown.

    Raises:
        ValueError: ``steps``, the number of steps taken, is 0.

    Example:
        >>> check_started("param", 0)
        Traceback (most recent call last):
        ...
        ValueError: param must have taken a step, since the first phase depends on the first gradient; got 0 steps
    """
    if steps == 0:
        raise ValueError(
            f"{name} must have taken a step, since the first phase depends on the first gradient; got 0 steps"
        )


def _shown(value: Any) -> str:
    """The value, but of an array only its shape: the contents may fill pages, and may be private."""
    shape = getattr(value, "shape", None)
    return f"an array of shape {tuple(shape)}" if isinstance(shape, Sequence) and len(shape) else repr(value)


def _alternatives(names: list[str]) -> str:
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _single_number(name: str, value: Any, allowed: Range) -> Any:
    """The Python number inside a one-element array of any framework; anything else unchanged."""
    shape = getattr(value, "shape", None)
    if shape is None or isinstance(value, type):
        return value
    if math.prod(shape) != 1:
        raise ValueError(f"{name} must be {allowed}, got an array of shape {tuple(shape)}")
    # TensorFlow's tensors have no item(), but a NumPy counterpart; that of a string is no NumPy scalar, but bytes.
    # Keras' symbolic tensors have neither, and are no number.
    if not hasattr(value, "item") and hasattr(value, "numpy"):
        value = value.numpy()
    return value.item() if hasattr(value, "item") else value
