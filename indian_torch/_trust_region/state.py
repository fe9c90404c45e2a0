"""What the trust region keeps from step to step, and what its parameter groups share."""

import warnings
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import Optimizer

from indian_core import norms
from indian_core.trust_region import Report, Settings, check
from indian_core.trust_region.stall import StallWatch
from indian_torch._trust_region.flat_layout import FlatLayout

__all__ = ["TrustRegionState"]


class TrustRegionState(Optimizer):
    """An optimizer whose groups have all hyperparameters in common, a radius, and an accumulator of squared gradients.

    Attributes:
        report: Of the last step; None before the first, and not saved.
    """

    report: Report | None = None
    _watch: StallWatch | None = None

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a parameter group; it has the hyperparameters of all others, and the same radius."""
        common = self._settings()._asdict() if self.param_groups else self.defaults
        if isinstance(param_group, dict):
            param_group = common | param_group
        super().add_param_group(param_group)
        try:
            _check_group(self.param_groups[-1], common)
        except (TypeError, ValueError):
            self.param_groups.pop()
            raise

    @property
    def radius(self) -> float:
        """Δ, the radius of the next step; it may be set, to at most ``max_radius``."""
        return self._shared()["radius"]

    @radius.setter
    def radius(self, radius: float) -> None:
        self._shared()["radius"] = check(self._settings()._replace(radius=radius)).radius

    def _settings(self) -> Settings:
        """Those of the first group, which are those of all."""
        return Settings(**{name: self.param_groups[0][name] for name in Settings._fields})

    def _shared(self) -> dict[str, Any]:
        """The state that belongs to no single parameter; it lies with the first one."""
        first = next(param for group in self.param_groups for param in group["params"])
        state = self.state[first]
        for name, value in {"radius": self.param_groups[0]["radius"], "steps": 0, "backpropagations": 0}.items():
            state.setdefault(name, value)
        return state

    def _warn_of_stall(self) -> None:
        """Show what the reports so far say is wrong with the closure."""
        if self._watch is None:
            self._watch = StallWatch("closure")
        message = None if self.report is None else self._watch.see(self.report)
        if message is not None:
            # Above `step` are the wrappers of `torch.no_grad` and of PyTorch's profiler.
            warnings.warn(message, stacklevel=5)

    def _accumulator(
        self, layout: FlatLayout, gradient: Tensor, coefficients: norms.NormCoefficients, norm: str | None
    ) -> Tensor | None:
        """The norm's accumulator with this gradient taken in, as a vector."""
        if norm is None:
            return None
        before = layout.vector([self.state.get(param, {}).get("accumulator") for param in layout.params])
        return norms.accumulate(before, gradient, coefficients)

    def _keep(self, layout: FlatLayout, accumulator: Tensor | None) -> None:
        """Make an accumulator part of the state."""
        if accumulator is not None:
            for param, part in zip(layout.params, layout.views(accumulator), strict=True):
                self.state[param].setdefault("accumulator", torch.empty_like(param)).copy_(part)


def _check_group(group: dict[str, Any], common: dict[str, Any]) -> None:
    for name, value in common.items():
        if group[name] != value:
            raise ValueError(f"{name} must be the same in all parameter groups, {value!r}, got {group[name]!r}")
    for param in group["params"]:
        if param.dtype not in (torch.float32, torch.float64):
            raise TypeError(f"params must be of dtype float32 or float64, got a parameter of dtype {param.dtype}")
