"""The state of a parameter: its step count, and its velocity, between steps perhaps as a multiple of it.

A multiple of the velocity makes a step cheaper: see `indian_core.scaled_velocity`. It lies under ``scaled_velocity``,
with its ``scale``, in the place of ``velocity``, until somebody asks for the state.
"""

from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.optim.optimizer import Optimizer, _get_scalar_dtype

from indian_core.hyperparameters import check_started

__all__ = [
    "State",
    "VelocityOptimizer",
    "initialize",
    "match_velocity_dtype",
    "scale_velocity",
    "unscale_velocity",
]

State: TypeAlias = dict[str, Any]
"""The tensors ``step`` and ``velocity``; or ``step``, ``scaled_velocity`` and its ``scale``, two of them numbers."""


_NEWER_DEFAULTS: dict[str, Any] = {"fused": None, "velocity_dtype": None}
"""Entries of a parameter group that older versions did not have."""


class VelocityOptimizer(Optimizer):
    """An optimizer whose state is a velocity and a step count: how it is read, saved and loaded."""

    _states: dict[Tensor, State]

    @property
    def state(self) -> Any:
        """The ``velocity`` and ``step`` of each parameter.

        To look at it costs a pass over the velocities, and the next step another, if they are kept as multiples.
        """
        for state in self._states.values():
            # A hook may have put anything else beside the states of the parameters.
            if isinstance(state, dict):
                unscale_velocity(state)
        return self._states

    @state.setter
    def state(self, states: Any) -> None:
        self._states = states

    def velocity(self, param: Tensor) -> Tensor:
        """The velocity m of a parameter, a new tensor of its shape, in ``velocity_dtype`` or the parameter's own dtype.

        Raises:
            ValueError: ``param`` is not a parameter of this optimizer, or has not taken a step.
        """
        self._group_of(param)
        state = self._states[param]
        velocity = state["scaled_velocity"] / state["scale"] if "scale" in state else state["velocity"].clone()
        return velocity.detach()

    def state_dict(self) -> dict[str, Any]:
        """State and parameter groups, the same whichever implementation takes the steps; as in torch.optim."""
        saved = super().state_dict()
        # Later steps change the dictionaries of the optimizer, which must not be those that were given away.
        for param, state in self._states.items():
            if isinstance(state, dict):
                self._states[param] = dict(state)
        return saved

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the state that `state_dict` returned; as in torch.optim.

        As there, the flags of the saved groups come with it, ``foreach`` and ``fused`` among them.
        """
        final: dict[str, Any] = {}
        hooks = (
            self.register_load_state_dict_pre_hook(lambda _, given: final.update(given)),
            self.register_load_state_dict_post_hook(lambda _: self._restore_velocities(final), prepend=True),
        )
        try:
            super().load_state_dict(state_dict)
        finally:
            for hook in hooks:
                hook.remove()

    def _restore_velocities(self, state_dict: dict[str, Any]) -> None:
        """Load those velocities again that the base class has rounded to the dtype of the parameter."""
        saved = [index for group in state_dict["param_groups"] for index in group["params"]]
        params = [(group["velocity_dtype"], param) for group in self.param_groups for param in group["params"]]
        for index, (velocity_dtype, param) in zip(saved, params, strict=True):
            velocity = state_dict["state"].get(index, {}).get("velocity")
            if velocity is not None:
                dtype = _velocity_dtype(param, velocity_dtype)
                if dtype != param.dtype:
                    self._states[param]["velocity"] = velocity.to(param.device, dtype, copy=True)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__({name: value for name, value in state.items() if name != "state"})
        self.state = state["state"]
        self.defaults = _NEWER_DEFAULTS | self.defaults
        for group in self.param_groups:
            for name, value in (self.defaults | _NEWER_DEFAULTS).items():
                group.setdefault(name, value)
            for param in group["params"]:
                own = self._states.get(param, {})
                if "step" in own and not isinstance(own["step"], Tensor):
                    own["step"] = _step_tensor(own["step"], param.device if group["capturable"] else "cpu")

    def _group_of(self, param: Tensor) -> dict[str, Any]:
        """The group of a parameter that has taken a step."""
        group = next((group for group in self.param_groups if any(p is param for p in group["params"])), None)
        if group is None:
            raise ValueError(f"param must be a parameter of this optimizer, got {param!r}")
        check_started("param", int(self._states.get(param, {}).get("step", 0)))
        return group


def initialize(param: Tensor, state: State, velocity_dtype: torch.dtype | None, *, capturable: bool) -> None:
    """Fill an empty state: no steps, no velocity."""
    state["step"] = _step_tensor(0, param.device if capturable else "cpu")
    dtype = _velocity_dtype(param, velocity_dtype)
    state["velocity"] = torch.zeros_like(param, dtype=dtype, memory_format=torch.preserve_format)


def match_velocity_dtype(param: Tensor, state: State, velocity_dtype: torch.dtype | None) -> None:
    """Let the velocity have the dtype that its group asks for now, if that has changed."""
    dtype = _velocity_dtype(param, velocity_dtype)
    if (state["scaled_velocity"] if "scale" in state else state["velocity"]).dtype != dtype:
        unscale_velocity(state)
        state["velocity"] = state["velocity"].to(dtype)


def scale_velocity(state: State, scale: float) -> None:
    """Put the multiple ``scale`` of the velocity in its place.

    The velocity's own tensor stays as it is: who asked for the state may hold it.
    """
    state["step"] = int(state["step"])
    state["scaled_velocity"] = state.pop("velocity") * scale
    state["scale"] = scale


def unscale_velocity(state: State) -> None:
    """Put the velocity itself in the place of its multiple, if that is what the state holds."""
    if "scale" in state:
        state["step"] = _step_tensor(state["step"])
        state["velocity"] = state.pop("scaled_velocity").div_(state.pop("scale"))


def _velocity_dtype(param: Tensor, velocity_dtype: torch.dtype | None) -> torch.dtype:
    return param.dtype if velocity_dtype is None or param.is_complex() else velocity_dtype


def _step_tensor(step: float, device: torch.device | str = "cpu") -> Tensor:
    return torch.tensor(float(step), dtype=_get_scalar_dtype(), device=device)
