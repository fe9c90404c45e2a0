"""The settings of a variable: its hyperparameters as one immutable value."""

from typing import Any, NamedTuple, Protocol

from keras import ops

from indian_core.damping import pre_damping_form
from indian_core.dynamics import StepCoefficients, pre_form

__all__ = ["DampingFormSettings", "INDIANSettings", "Settings"]


class Settings(Protocol):
    """The hyperparameters of a variable's step, apart from the learning rate. Hashable, and equal if all of them are.

    Attributes:
        weight_decay: λ of this variable; 0 if it is exempt.
        norm: None or a key of `indian_core.norms.NORMS`.
        norm_decay: σ.
        norm_epsilon: ε.
        norm_last: As in `indian_tf._step.coefficients.Coefficients`.
    """

    @property
    def weight_decay(self) -> float: ...

    @property
    def norm(self) -> str | None: ...

    @property
    def norm_decay(self) -> float: ...

    @property
    def norm_epsilon(self) -> float: ...

    @property
    def norm_last(self) -> bool: ...

    def without_decay(self) -> "Settings":
        """The same for a variable that is exempt from weight decay."""
        ...

    def step(self, learning_rate: Any, steps: Any) -> StepCoefficients:
        """The coefficients of a step in pre form.

        Args:
            learning_rate: Of this step.
            steps: The steps that a variable has taken: a Python int, or a floating tensor, perhaps of many variables.
        """
        ...


class INDIANSettings(NamedTuple):
    """The settings of INDIAN in velocity form.

    Attributes:
        alpha: α.
        beta: β.
        initial_speed: s; None is s = β.
        weight_decay: As in `Settings`.
        norm: As in `Settings`.
        norm_decay: As in `Settings`.
        norm_epsilon: As in `Settings`.
    """

    alpha: float
    beta: float
    initial_speed: float | None
    weight_decay: float
    norm: str | None
    norm_decay: float
    norm_epsilon: float

    @property
    def norm_last(self) -> bool:
        """False: the velocity is that in the norm."""
        return False

    def without_decay(self) -> "INDIANSettings":
        """As in `Settings`."""
        return self._replace(weight_decay=0.0)

    def step(self, learning_rate: Any, steps: Any) -> StepCoefficients:
        """As in `Settings`."""
        return pre_form(
            learning_rate,
            self.alpha,
            self.beta,
            initial_speed=self.initial_speed,
            weight_decay=self.weight_decay,
            first=_is_zero(steps),
        )


class DampingFormSettings(NamedTuple):
    """The settings of the damping form.

    Attributes:
        momentum: μ.
        damping: r.
        weight_decay: As in `Settings`.
        gain: As in `indian_core.damping.pre_damping_form`; with None the bias of the average is taken out.
        norm: As in `Settings`.
        norm_decay: As in `Settings`.
        norm_epsilon: As in `Settings`.
        norm_last: As in `Settings`.
    """

    momentum: float
    damping: float
    weight_decay: float
    gain: float | None = None
    norm: str | None = None
    norm_decay: float = 0.0
    norm_epsilon: float = 0.0
    norm_last: bool = False

    def without_decay(self) -> "DampingFormSettings":
        """As in `Settings`."""
        return self._replace(weight_decay=0.0)

    def step(self, learning_rate: Any, steps: Any) -> StepCoefficients:
        """As in `Settings`."""
        return pre_damping_form(
            learning_rate,
            self.momentum,
            self.damping,
            weight_decay=self.weight_decay,
            gain=self.gain,
            count=steps + 1 if self.gain is None else None,
            xp=ops,
        )


def _is_zero(steps: Any) -> Any:
    """Whether a number is 0: a bool for a Python int, for a tensor the number 0 or 1 of its dtype."""
    return steps == 0 if isinstance(steps, int) else ops.cast(ops.equal(steps, 0), steps.dtype)
