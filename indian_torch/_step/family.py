"""What a family of optimizers supplies: everything that the code of a step does not know."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

import torch
from torch import Tensor

from indian_core.dynamics import StepCoefficients
from indian_core.norms import NormCoefficients
from indian_torch._norm.norm_step import NormStep

__all__ = ["Coefficients", "CoefficientsAt", "Entries", "Family", "Mode"]


class Entries(NamedTuple):
    """What the state of a parameter has.

    Attributes:
        buffer: The key of the velocity m, or of what takes its place.
        accumulator: The key of v, which a state has in a norm.
        has_step: Whether a state has ``step``, the number of steps taken. Without it, the first step of a parameter is
            the one that finds no state.
    """

    buffer: str
    accumulator: str
    has_step: bool = True


class Mode(NamedTuple):
    """What settings say about the way in which a step is taken, whatever its numbers.

    Attributes:
        foreach: The flag of that name.
        fused: The flag of that name.
        differentiable: The flag of that name.
        capturable: Whether counts of steps are on the devices of the parameters.
        is_traced: Whether the host must not read the coefficients.
        norm: The norm of the steps; None is the Euclidean.
        is_norm_last: Whether A⁻¹ acts on the displacement, as in Adam, and not on the gradient.
        depends_on_count: Whether the coefficients of later steps differ from step to step.
        starts_apart: Whether the first step of a parameter has coefficients of its own.
        decay: 0 unless θ decays by an operation of its own.
        buffer_dtype: Of the buffer of real parameters; None for the parameter's own.
        accumulator_dtype: The same for the accumulator.
    """

    foreach: bool | None
    fused: bool | None
    differentiable: bool
    capturable: bool
    is_traced: bool
    norm: str | None
    is_norm_last: bool
    depends_on_count: bool
    starts_apart: bool
    decay: Any
    buffer_dtype: torch.dtype | None = None
    accumulator_dtype: torch.dtype | None = None


class Coefficients(NamedTuple):
    """The coefficients of a step, in Python numbers.

    Attributes:
        first: Of the first step of a parameter, in pre form.
        pre: Of a later step, in pre form.
        post: Of a later step, in post form if that is as exact.
        is_average: Whether the buffer is an average of gradients or a multiple of one, which does not depend on the
            step size: a state keeps it as it is where a kernel can work on it.
    """

    first: StepCoefficients
    pre: StepCoefficients
    post: StepCoefficients
    is_average: bool = False


CoefficientsAt: TypeAlias = Callable[[int], Coefficients]
"""The coefficients of a step by its number, k >= 1."""


class Family(Protocol):
    """A family of optimizers; each is a module of `indian_torch._family` with these names.

    No function changes anything. ``settings`` is the named tuple that `settings_of` returns, of a type of the family's
    own.

    Attributes:
        ENTRIES: What the state of a parameter has.
        NAMES: The hyperparameters and flags that a group has.
        NAMES_IN_SAVED: Those that a saved group must have.
        OF_OTHERS: Hyperparameters of other optimizers, and what this family has in their place.
    """

    @property
    def ENTRIES(self) -> Entries: ...  # noqa: N802

    @property
    def NAMES(self) -> tuple[str, ...]: ...  # noqa: N802

    @property
    def NAMES_IN_SAVED(self) -> tuple[str, ...]: ...  # noqa: N802

    @property
    def OF_OTHERS(self) -> Mapping[str, str]: ...  # noqa: N802

    def settings_of(self, group: Mapping[str, Any]) -> Any:
        """The settings that a parameter group holds now."""

    def checked(self, settings: Any) -> Any:
        """The settings, if they are valid, with Python numbers, which can be saved, or tensors.

        Raises:
            TypeError, ValueError, RuntimeError: A setting is invalid; the error names it, its value and its range.
        """

    def entries_of_group(self, settings: Any) -> dict[str, Any]:
        """What a group of these settings, which are checked, holds."""

    def mode_of(self, settings: Any) -> Mode:
        """The way in which a step is taken."""

    def refuse_unfit(self, settings: Any, states: Sequence[Any]) -> None:
        """Raise an error if states, those that are there, are not of such settings."""

    def check_choices(self, settings: Any) -> None:
        """Raise an error if a setting that is no number is invalid."""

    def coefficients_of(self, settings: Any) -> CoefficientsAt:
        """The coefficients of settings that are numbers, or tensors for the host to read.

        Raises:
            ArithmeticError, RuntimeError, TypeError, ValueError: A setting is invalid.
        """

    def norm_step(self, settings: Any, count: int) -> NormStep | None:
        """The norm at a step, in Python numbers; None without a norm."""

    def traced_coefficients(
        self, settings: Any, taken: Tensor | None, dtype: torch.dtype, *, is_new: bool
    ) -> StepCoefficients:
        """The coefficients of a step in pre form, where settings may be tensors that the host does not read.

        Args:
            settings: Of the group.
            taken: The number of steps that the parameter has taken; None for a family that does not count.
            dtype: To compute in.
            is_new: Whether the state of the parameter is new.
        """

    def traced_norm(self, settings: Any, count: Tensor, dtype: torch.dtype) -> NormCoefficients:
        """The norm at a step, likewise; only with a norm.

        Args:
            settings: Of the group.
            count: The number of the step, in this dtype.
            dtype: To compute in.
        """
