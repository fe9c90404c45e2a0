"""What the trust region keeps from step to step, and what its parameter groups share."""

import warnings
from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import Tensor

from indian_core import norms
from indian_core.trust_region import Report, Settings, check
from indian_core.trust_region.stall import StallWatch
from indian_torch._optimizer.names import warn_of_other_names
from indian_torch._optimizer.saved import SavedOptimizer, refuse_other_shape
from indian_torch._tensors.comparison import copied, difference
from indian_torch._tensors.writable import what_forbids_writing
from indian_torch._trust_region.flat_layout import FlatLayout

__all__ = ["TrustRegionState"]

_OF_OTHERS: Final[Mapping[str, str]] = {
    "betas": "has norm_decay and norm_epsilon; norm_decay is the second of betas",
    "beta2": "has norm_decay and norm_epsilon; norm_decay is beta2",
    "eps": "has norm_decay and norm_epsilon; norm_epsilon is eps",
    "lr": "has radius, which finds itself, in its place",
    "learning_rate": "has radius, which finds itself, in its place",
    "weight_decay": "has nothing like it",
    "momentum": "has nothing like it",
    "amsgrad": "has nothing like it",
}


class TrustRegionState(SavedOptimizer):
    """An optimizer whose groups have all hyperparameters in common, a radius, and an accumulator of squared gradients.

    Attributes:
        report: Of the last step; None before the first, and not saved.
    """

    _names_in_saved = Settings._fields
    _names_of_others = _OF_OTHERS
    report: Report | None = None
    _watch: StallWatch | None = None

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a parameter group; it has the hyperparameters of all others, and the same radius."""
        common = self._settings()._asdict() if self.param_groups else self.defaults
        if isinstance(param_group, dict):
            warn_of_other_names(self, param_group, Settings._fields)
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
        self._share(radius=check(self._settings()._replace(radius=radius)).radius)

    def _settings(self) -> Settings:
        """Those of the first group, which are those of all."""
        return Settings(**{name: self.param_groups[0][name] for name in Settings._fields})

    def _shared(self) -> dict[str, Any]:
        """The state that belongs to no single parameter, as it is now; it lies with the first one."""
        start = {"radius": self.param_groups[0]["radius"], "steps": 0, "backpropagations": 0}
        state = self.state.get(self._first(), {})
        return {name: state.get(name, value) for name, value in start.items()}

    def _share(self, **values: Any) -> None:
        """Change the state that belongs to no single parameter."""
        self.state[self._first()] |= self._shared() | values

    def _first(self) -> Tensor:
        return next(param for group in self.param_groups for param in group["params"])

    def _trained(self) -> list[Tensor]:
        return [param for group in self.param_groups for param in group["params"] if param.requires_grad]

    def _start_without_a_closure(self) -> bool:
        """Make the state of an optimizer that has none, if all gradients are zeros, and tell whether that was so.

        So `torch.distributed.checkpoint.state_dict` asks for the state that a checkpoint is to be loaded into.
        """
        params = self._trained()
        if self.state or not all(param.grad is not None and not param.grad.any() for param in params):
            return False
        self._share()
        if self._settings().norm is not None:
            for param in params:
                self.state[param]["accumulator"] = torch.zeros_like(param)
        return True

    def _refuse_unfit_tensors(self) -> None:
        """Look at parameters and accumulators before a step, for both may have been replaced.

        Raises:
            RuntimeError: One of them cannot be changed in place.
            TypeError: A parameter is of a dtype that cannot tell losses apart.
            ValueError: An accumulator is not like its parameter, or the parameters are not on one device.
        """
        for index, group in enumerate(self.param_groups):
            for position, param in enumerate(group["params"]):
                accumulator = self.state.get(param, {}).get("accumulator")
                for name, tensor in (("tensor", param), ("accumulator", accumulator)):
                    forbids = None if tensor is None or not param.requires_grad else what_forbids_writing(tensor)
                    if forbids is not None:
                        raise RuntimeError(
                            f"parameter {position} of group {index} and its state must be tensors that a step can "
                            f"change, got {name} {forbids}"
                        )
                if accumulator is None:
                    continue
                differs = difference(param, accumulator)
                if differs is not None:
                    raise ValueError(
                        f"the state of parameter {position} of group {index} must be like the parameter, of shape "
                        f"{tuple(param.shape)}, got {differs.format('accumulator')}"
                    )
        params = self._trained()
        _refuse_dtypes(params)
        devices = {param.device for param in params}
        if len(devices) > 1:
            raise ValueError(f"params must be on one device, got {', '.join(sorted(map(str, devices)))}")

    def _refuse_state(self, place: str, param: Tensor, group: Mapping[str, Any], state: Mapping[str, Any]) -> None:
        if "accumulator" in state:
            refuse_other_shape(place, "accumulator", param, state["accumulator"])

    def _loaded(self, param: Tensor, group: dict[str, Any], state: dict[str, Any]) -> dict[str, Any]:
        loaded = {key: copied(value) for key, value in self.state[param].items()}
        if "accumulator" in state:
            loaded["accumulator"] = state["accumulator"].detach().to(param.device, param.dtype, copy=True)
        return loaded

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

    def _accumulators(self, layout: FlatLayout, norm: str | None) -> list[Tensor]:
        """The tensors to keep an accumulator in: those of the state, or new ones; none without a norm."""
        if norm is None:
            return []
        kept = [self.state.get(param, {}).get("accumulator") for param in layout.params]
        return [
            torch.empty_like(param) if own is None or own.dtype != param.dtype else own
            for param, own in zip(layout.params, kept, strict=True)
        ]

    def _keep(self, layout: FlatLayout, accumulator: Tensor | None, kept: list[Tensor]) -> None:
        """Make an accumulator part of the state, in tensors from `_accumulators`."""
        if accumulator is not None:
            torch._foreach_copy_(kept, layout.views(accumulator))
            for param, own in zip(layout.params, kept, strict=True):
                self.state[param]["accumulator"] = own


def _check_group(group: dict[str, Any], common: dict[str, Any]) -> None:
    for name, value in common.items():
        if group[name] != value:
            raise ValueError(f"{name} must be the same in all parameter groups, {value!r}, got {group[name]!r}")
    _refuse_dtypes(group["params"])


def _refuse_dtypes(params: list[Tensor]) -> None:
    for param in params:
        if param.dtype not in (torch.float32, torch.float64):
            raise TypeError(f"params must be of dtype float32 or float64, got a parameter of dtype {param.dtype}")
