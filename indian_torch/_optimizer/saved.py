"""Saving and loading: snapshots that share no tensor, and a state that fits or is refused."""

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor
from torch.optim.optimizer import Optimizer

from indian_torch._tensors.comparison import copied, difference
from indian_torch._tensors.writable import outside_inference_mode

__all__ = ["SavedOptimizer", "refuse_other_shape"]


class SavedOptimizer(Optimizer):
    """An optimizer whose saved state is a snapshot, and which loads a state that fits, or nothing.

    A subclass says with `_saved`, `_refuse_state` and `_loaded` what the state of a parameter is.

    Attributes:
        _names_in_saved: The hyperparameters and flags that a saved group must have. PyTorch adds a flag to ``defaults``
            as it loads.
        _names_of_others: Hyperparameters of other optimizers, each with what this one has in its place.
    """

    _names_in_saved: ClassVar[tuple[str, ...]]
    _names_of_others: ClassVar[Mapping[str, str]]

    def state_dict(self) -> dict[str, Any]:
        """A snapshot of state and parameter groups, of the same form whichever implementation takes the steps.

        It shares no tensor with the optimizer, so later steps do not change it. Otherwise as in torch.optim.
        """
        # As the first hook: hooks of the user see the state that is saved, and may change it.
        hook = self.register_state_dict_post_hook(_take_snapshot, prepend=True)
        try:
            return super().state_dict()
        finally:
            hook.remove()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a state that `state_dict` returned; the optimizer shares no tensor with it.

        As in torch.optim, the hyperparameters and flags of the saved groups are loaded too. The parameters must come
        in the order in which they were saved. States of other optimizers are refused.

        Raises:
            ValueError: The groups are not of the same size, or are of another optimizer; or the state of a parameter
                is incomplete or of another shape; or a group of INDIAN has another norm than the saved one. After
                any error, one of a hook too, nothing has changed.
        """
        given: dict[str, Any] = {}

        def keep(_: Optimizer, state_dict: dict[str, Any]) -> dict[str, Any]:
            state_dict = self._completed(state_dict)
            self._refuse_unfit(state_dict)
            given.update(state_dict)
            return state_dict

        # The last hook before, and the first one after: hooks of the user see and change what is loaded.
        hooks = (
            self.register_load_state_dict_pre_hook(keep),
            self.register_load_state_dict_post_hook(lambda _: self._load_states(given), prepend=True),
        )
        before = self.state, self.param_groups
        try:
            super().load_state_dict(state_dict)
        except BaseException:
            # PyTorch loads into new ones.
            self.state, self.param_groups = before
            raise
        finally:
            for hook in hooks:
                hook.remove()

    def _completed(self, state_dict: dict[str, Any]) -> dict[str, Any]:
        """The state to load, with what it may lack; it is not changed."""
        return state_dict

    def _saved(self, state: dict[str, Any]) -> dict[str, Any]:
        """A copy of the state of a parameter, as it is saved; it shares no tensor."""
        return {key: copied(value) for key, value in state.items()}

    def _refuse_group(self, place: str, own: Mapping[str, Any], saved: Mapping[str, Any]) -> None:
        """Raise an error if a saved group does not go with one's own; it has all hyperparameters."""

    def _refuse_state(self, place: str, param: Tensor, group: Mapping[str, Any], state: Mapping[str, Any]) -> None:
        """Raise an error if a saved state is not that of a parameter like this one."""
        raise NotImplementedError

    def _loaded(self, param: Tensor, group: dict[str, Any], state: dict[str, Any]) -> dict[str, Any]:
        """The state of a parameter from the saved one; it shares no tensor with it."""
        raise NotImplementedError

    def _refuse_unfit(self, state_dict: Mapping[str, Any]) -> None:
        pairs = list(zip(self.param_groups, state_dict["param_groups"], strict=False))
        for index, (own, saved) in enumerate(pairs):
            missing = [name for name in self._names_in_saved if name not in saved]
            if missing:
                raise ValueError(_of_another(type(self).__name__, missing, saved))
            self._refuse_group(f"group {index}", own, saved)
        if any(len(own["params"]) != len(saved["params"]) for own, saved in pairs):
            return  # PyTorch refuses it.
        for index, (own, saved) in enumerate(pairs):
            for position, (param, key) in enumerate(zip(own["params"], saved["params"], strict=True)):
                state = state_dict["state"].get(key)
                if state:
                    self._refuse_state(f"parameter {position} of group {index}", param, saved, state)

    def _load_states(self, state_dict: dict[str, Any]) -> None:
        """Load the states again: the base class rounds them to the parameters' dtypes, and may share tensors."""
        indices = [index for group in state_dict["param_groups"] for index in group["params"]]
        params = [(param, group) for group in self.param_groups for param in group["params"]]
        with outside_inference_mode():
            for index, (param, group) in zip(indices, params, strict=True):
                state = state_dict["state"].get(index)
                if state:
                    self.state[param] = self._loaded(param, group, state)


def refuse_other_shape(place: str, name: str, param: Tensor, tensor: Any) -> None:
    """Check a tensor of a saved state.

    Args:
        place: Of the parameter, for the error.
        name: Of the tensor.
        param: The parameter.
        tensor: What the state has under that name; None for nothing.

    Raises:
        ValueError: It is no tensor, or of another shape than the parameter, or complex beside a real parameter.
    """
    differs = difference(param, tensor, loading=True)
    if differs is not None:
        raise ValueError(
            f"the state to load must be that of the same parameters in the same order, got for {place}, "
            f"of shape {tuple(param.shape)}, {differs.format(name)}"
        )


def _of_another(own: str, missing: list[str], saved: Mapping[str, Any]) -> str:
    """The error for a state of another optimizer."""
    if "betas" in saved:
        other = (
            "It looks like a state of Adam or AdamW, which indian_torch.DampedAdamW takes over. It cannot be converted "
            "to another: start with a new state, and choose hyperparameters by the section 'Replace AdamW' of the "
            "PyTorch quickstart"
        )
    elif "momentum" in saved:
        other = (
            "It looks like a state of SGD, which indian_torch.DampedSGD takes over. No other can; its hyperparameters "
            "can be converted to those of INDIAN, with indian_core.from_momentum_sgd: start with a new state"
        )
    else:
        other = "It is of another optimizer: start with a new state"
    return f"state_dict must be one of {own}, got parameter groups without {', '.join(missing)}. {other}"


def _take_snapshot(optimizer: Optimizer, state_dict: dict[str, Any]) -> None:
    """Let a state dictionary share nothing with the optimizer."""
    assert isinstance(optimizer, SavedOptimizer)
    # A hook may have put anything else beside the states of the parameters.
    state_dict["state"] = {
        key: optimizer._saved(value) if isinstance(value, dict) else copied(value)
        for key, value in state_dict["state"].items()
    }
    state_dict["param_groups"] = [
        {name: copied(value) for name, value in group.items()} for group in state_dict["param_groups"]
    ]
