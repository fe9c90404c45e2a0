"""An optimizer that takes the steps of a family: from parameter groups to `indian_torch._step`."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from indian_torch._compat import check_graph_capture, uses_grad_if_differentiable
from indian_torch._optimizer.names import warn_of_other_names
from indian_torch._optimizer.saved import SavedOptimizer, refuse_other_shape
from indian_torch._step.dispatch import prepare, step_group
from indian_torch._step.family import Family
from indian_torch._step.gather import Known, gather
from indian_torch._step.grad_scale import check_grad_scale
from indian_torch._step.state import loaded, saved, saved_otherwise
from indian_torch._tensors.comparison import copied
from indian_torch._tensors.guards import LayoutMemo

__all__ = ["SteppingOptimizer"]


class SteppingOptimizer(SavedOptimizer):
    """An optimizer of a family.

    Attributes:
        _family: The family.
    """

    _family: Family

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls._names_in_saved = cls._family.NAMES_IN_SAVED
        cls._names_of_others = cls._family.OF_OTHERS

    def __init__(self, params: ParamsT, settings: Any) -> None:
        self._memos: defaultdict[int, LayoutMemo[Known]] = defaultdict(LayoutMemo)
        # PyTorch 2.4 does not trace an attribute of a class that is a module.
        self._family = type(self)._family
        super().__init__(params, self._defaults_of(self._family.checked(settings)))

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._memos = defaultdict(LayoutMemo)
        self._family = type(self)._family

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a parameter group; its hyperparameters are checked as those of the constructor."""
        if isinstance(param_group, dict):
            family = self._family
            warn_of_other_names(self, param_group, family.NAMES)
            settings = family.checked(family.settings_of(self.defaults | param_group))
            param_group = param_group | family.entries_of_group(settings)
        super().add_param_group(param_group)
        added = self.param_groups[-1]
        if added["fused"] and not all(param.is_floating_point() for param in added["params"]):
            self.param_groups.pop()
            raise RuntimeError("fused must be False or None where a parameter is not of a floating dtype, got True")

    @uses_grad_if_differentiable
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take one step; parameters without a gradient stay as they are.

        Args:
            closure: Reevaluates the model, calls ``backward`` and returns the loss.

        Returns:
            What ``closure`` returned, or None.

        Raises:
            RuntimeError, TypeError, ValueError: A gradient is sparse, or complex beside a real parameter; a gradient
                or a tensor of the state is of another shape than its parameter or on another device; one that the
                step writes to cannot be changed in place; a setting of a group is invalid; or there is no memory
                for new states. Neither parameters nor state have changed by then.
        """
        if "capturable" in self.defaults:
            check_graph_capture(self)
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        # All checks come before the first update, so an error leaves parameters and state as they were.
        gathered = [
            gather(self._family, group, self.state, f"group {index}", type(self).__name__, self._memos[index])
            for index, group in enumerate(self.param_groups)
        ]
        found_inf, grad_scale = getattr(self, "found_inf", None), getattr(self, "grad_scale", None)
        if found_inf is None or not found_inf.item():
            if grad_scale is not None:
                check_grad_scale(grad_scale, gathered)
            ready = [prepare(tensors) for tensors in gathered]
            for tensors in ready:
                step_group(tensors, self.state, grad_scale)
        return loss

    def _defaults_of(self, settings: Any) -> dict[str, Any]:
        """The defaults of groups."""
        return self._family.entries_of_group(settings)

    def _completed(self, state_dict: dict[str, Any]) -> dict[str, Any]:
        pairs = list(zip(self.param_groups, state_dict["param_groups"], strict=False))
        if all(name in saved for _, saved in pairs for name in self._family.NAMES):
            return state_dict
        has_states = any(state_dict["state"].values())
        completed = [self._completed_group(own, saved, has_states=has_states) for own, saved in pairs]
        return state_dict | {"param_groups": completed + state_dict["param_groups"][len(pairs) :]}

    def _completed_group(self, own: dict[str, Any], saved: dict[str, Any], *, has_states: bool) -> dict[str, Any]:
        """A saved group with all hyperparameters, those that it may lack being one's own.

        Args:
            own: The group that is to take it.
            saved: The saved group.
            has_states: Whether there are states beside the groups.
        """
        optional = [name for name in self._family.NAMES if name not in self._names_in_saved]
        return {name: own[name] for name in optional} | saved

    def _saved(self, state: dict[str, Any]) -> dict[str, Any]:
        entries = self._family.ENTRIES
        is_own = entries.buffer in state or "multiple" in state
        return saved(entries, state) if is_own else super()._saved(state)

    def _refuse_state(self, place: str, param: Tensor, group: Mapping[str, Any], state: Mapping[str, Any]) -> None:
        family = self._family
        has_norm = family.mode_of(family.settings_of(group)).norm is not None
        names = [family.ENTRIES.buffer] + ([family.ENTRIES.accumulator] if has_norm else [])
        for name in names:
            refuse_other_shape(place, name, param, state.get(name))
        if family.ENTRIES.has_step and "step" not in state:
            raise ValueError(f"the state to load must have the number of steps taken, step, got none for {place}")

    def _loaded(self, param: Tensor, group: dict[str, Any], state: dict[str, Any]) -> dict[str, Any]:
        family = self._family
        # The entries of users are as the base class has loaded them.
        keys = saved_otherwise(family.ENTRIES)
        others = {key: copied(value) for key, value in self.state[param].items() if key not in keys}
        mode = family.mode_of(family.settings_of(group))
        return others | loaded(family.ENTRIES, state, param, mode)

    @property
    def _step_supports_amp_scaling(self) -> bool:
        """Whether `torch.amp.GradScaler` sets ``found_inf`` and ``grad_scale``, and leaves the rest to `step`."""
        return any(group["fused"] and not group.get("capturable", False) for group in self.param_groups)
