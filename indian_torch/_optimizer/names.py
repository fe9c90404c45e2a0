"""Names that are not those of a hyperparameter: slips of the pen, and the hyperparameters of other optimizers."""

import functools
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping
from difflib import get_close_matches
from inspect import Parameter, signature
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

__all__ = ["foreign_names", "refuses_other_names", "warn_of_other_names"]

P = ParamSpec("P")
T = TypeVar("T")

_OF_SCHEDULERS: Final = frozenset({"initial_lr", "swa_lr", "max_lr", "min_lr", "lr_scale", "name", "param_names"})


def foreign_names(names: Iterable[str], known: Collection[str], of_others: Mapping[str, str]) -> dict[str, str]:
    """The names that are most likely mistakes, each with what the optimizer has; others may be anybody's own.

    Args:
        names: Of the entries of a parameter group, or of arguments.
        known: The names that the optimizer knows.
        of_others: Hyperparameters of other optimizers, each with what this one has in its place.
    """
    found = {}
    for name in names:
        if name in known or name in _OF_SCHEDULERS or not isinstance(name, str):
            continue
        near = get_close_matches(name, known, n=1, cutoff=0.8)
        if name in of_others:
            found[name] = of_others[name]
        elif near:
            found[name] = f"has {near[0]}"
    return found


def warn_of_other_names(optimizer: Any, group: Mapping[str, Any], known: Collection[str]) -> None:
    """Warn of each entry of a parameter group that the optimizer does not read though its name suggests it."""
    for name, hint in foreign_names(group, (*known, "params"), optimizer._names_of_others).items():
        own = type(optimizer).__name__
        # Above are `add_param_group`, and its wrapper in PyTorch.
        warnings.warn(f"{own} does not use {name!r} of a parameter group; {own} {hint}", stacklevel=4)


def refuses_other_names(
    constructor: Callable[Concatenate[Any, P], T],
) -> Callable[Concatenate[Any, P], T]:
    """Let a constructor say which argument to use where Python says that there is none of this name.

    Raises:
        TypeError: There is an argument of another name.
    """
    known = [
        name
        for name, parameter in signature(constructor).parameters.items()
        if parameter.kind in (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
    ]

    @functools.wraps(constructor)
    def checked(self: Any, *args: P.args, **kwargs: P.kwargs) -> T:
        for name, hint in foreign_names(kwargs, known, self._names_of_others).items():
            own = type(self).__name__
            raise TypeError(f"{own} has no argument {name!r}; {own} {hint}")
        return constructor(self, *args, **kwargs)

    return checked
