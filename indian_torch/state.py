"""The state of a parameter: its step count, velocity and, in a norm, accumulator; how it is read, saved and loaded.

Between steps the velocity may be kept as a multiple of it, which makes a step cheaper: see
`indian_core.scaled_velocity`. That lies under ``scaled_velocity``, with its ``scale``, in the place of ``velocity``,
until somebody asks for the state.
"""

from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.optim.optimizer import Optimizer, _get_scalar_dtype

from indian_core.dynamics import phase_from_velocity
from indian_core.hyperparameters import DEFAULTS, check_started, resolve_initial_speed
from indian_torch.coefficients import as_number
from indian_torch.one_by_one import at_least_float32

__all__ = [
    "State",
    "VelocityOptimizer",
    "initialize",
    "match_dtypes",
    "scale_velocity",
    "state_dtypes",
    "unscale_velocity",
]

State: TypeAlias = dict[str, Any]
"""The tensors ``step`` and ``velocity``; or ``step``, ``scaled_velocity`` and its ``scale``, two of them numbers.

With them the tensor ``accumulator``, v of `indian_core.norms`, in a norm other than the Euclidean.
"""

_NEWER_DEFAULTS: dict[str, Any] = {
    "fused": None,
    "velocity_dtype": None,
    "norm": None,
    "norm_decay": DEFAULTS.norm_decay,
    "norm_epsilon": DEFAULTS.norm_epsilon,
    "norm_dtype": None,
}
"""Entries of a parameter group that older versions did not have."""


class VelocityOptimizer(Optimizer):
    """An optimizer whose state is a velocity, a step count and perhaps the accumulator of a norm."""

    _states: dict[Tensor, State]

    @property
    def state(self) -> Any:
        """The ``velocity`` and ``step`` of each parameter, and its ``accumulator`` if it has a norm.

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

    def phase(self, param: Tensor) -> Tensor:
        """The phase variable ψ of a parameter, a new tensor of its shape and dtype.

        Raises:
            ValueError: ``param`` is not a parameter of this optimizer, or has not taken a step.
        """
        velocity, group = self.velocity(param), self._group_of(param)
        alpha, beta = as_number(group["alpha"]), as_number(group["beta"])
        dtype = at_least_float32(param.dtype)
        return phase_from_velocity(param.detach().to(dtype), velocity.to(dtype), alpha, beta).to(param.dtype)

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

        As there, the hyperparameters and flags of the saved groups come with it, ``foreach`` and ``fused`` among them;
        but the norm must be that of the saved state.

        Raises:
            ValueError: A group has another norm than the saved one, or the groups are not of the same size. Nothing has
                changed by then.
        """
        final: dict[str, Any] = {}

        def keep(_: Optimizer, given: dict[str, Any]) -> None:
            for index, (own, saved) in enumerate(zip(self.param_groups, given["param_groups"], strict=False)):
                norm = saved.get("norm")
                if own["norm"] != norm:
                    raise ValueError(f"norm of group {index} must be that of the state, {norm!r}, got {own['norm']!r}")
            final.update(given)

        hooks = (
            self.register_load_state_dict_pre_hook(keep),
            self.register_load_state_dict_post_hook(lambda _: self._restore_dtypes(final), prepend=True),
        )
        try:
            super().load_state_dict(state_dict)
        finally:
            for hook in hooks:
                hook.remove()

    def _restore_dtypes(self, state_dict: dict[str, Any]) -> None:
        """Load those tensors again that the base class has rounded to the dtype of the parameter."""
        saved = [index for group in state_dict["param_groups"] for index in group["params"]]
        params = [(group, param) for group in self.param_groups for param in group["params"]]
        for index, (group, param) in zip(saved, params, strict=True):
            for name, dtype in state_dtypes(param, group).items():
                tensor = state_dict["state"].get(index, {}).get(name)
                if tensor is not None and dtype != param.dtype:
                    self._states[param][name] = tensor.to(param.device, dtype, copy=True)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__({name: value for name, value in state.items() if name != "state"})
        self.state = state["state"]
        self.defaults = _NEWER_DEFAULTS | self.defaults
        for group in self.param_groups:
            for name, value in (self.defaults | _NEWER_DEFAULTS).items():
                group.setdefault(name, value)
            group["initial_speed"] = resolve_initial_speed(group["initial_speed"], group["norm"])
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


def state_dtypes(param: Tensor, group: dict[str, Any]) -> dict[str, torch.dtype]:
    """The names and dtypes of the tensors of the parameter's shape that its state is to hold."""
    asked = {"velocity": group["velocity_dtype"]}
    if group["norm"] is not None:
        asked["accumulator"] = group["norm_dtype"]
    return {name: param.dtype if dtype is None or param.is_complex() else dtype for name, dtype in asked.items()}


def initialize(param: Tensor, state: State, group: dict[str, Any]) -> None:
    """Fill an empty state: no steps, no velocity, no gradient taken in."""
    state["step"] = _step_tensor(0, param.device if group["capturable"] else "cpu")
    for name, dtype in state_dtypes(param, group).items():
        state[name] = torch.zeros_like(param, dtype=dtype, memory_format=torch.preserve_format)


def match_dtypes(param: Tensor, state: State, group: dict[str, Any]) -> None:
    """Let the state have the dtypes that its group asks for now, if they have changed."""
    for name, dtype in state_dtypes(param, group).items():
        if (state[name] if name in state else state["scaled_velocity"]).dtype != dtype:
            unscale_velocity(state)
            state[name] = state[name].to(dtype)


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


def _step_tensor(step: float, device: torch.device | str = "cpu") -> Tensor:
    return torch.tensor(float(step), dtype=_get_scalar_dtype(), device=device)
