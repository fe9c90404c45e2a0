"""What a family says of its norm at one step."""

from dataclasses import dataclass

from indian_core.norms import NormCoefficients, norm_coefficients

__all__ = ["NormStep"]


@dataclass(frozen=True)
class NormStep:
    """The norm at one step, in Python numbers.

    Attributes:
        name: A key of `indian_core.norms.NORMS`.
        count: The number of the step, k >= 1.
        decay: σ.
        epsilon: ε.
        is_last: Whether A⁻¹ acts on the displacement and not on the gradient.
    """

    name: str
    count: int
    decay: float
    epsilon: float
    is_last: bool = False

    @property
    def coefficients(self) -> NormCoefficients:
        """The coefficients of this norm at this step."""
        return norm_coefficients(self.name, self.count, self.decay, self.epsilon)
