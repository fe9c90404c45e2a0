"""Exemptions from weight decay that are saved with the optimizer. Keras forgets them."""

import warnings
from collections.abc import Mapping
from typing import Any

import keras

from indian_tf._compat import exempts_variables

__all__ = ["SavedExemptions"]

_KEY = "exclude_from_weight_decay"
_LISTS = ("var_paths", "var_names")


class SavedExemptions(keras.optimizers.Optimizer):
    """An optimizer whose config holds which variables `exclude_from_weight_decay` named, single ones by their path."""

    _exempt_paths: tuple[str, ...] = ()
    _exempt_names: tuple[str, ...] = ()

    def exclude_from_weight_decay(self, var_list: Any = None, var_names: Any = None) -> None:
        """Exempt variables from weight decay. A further call replaces this one.

        Args:
            var_list: Variables.
            var_names: Regular expressions; a variable is exempt if one of them matches a part of its name. That is the
                Keras variable's own on every backend, ``"bias"`` for instance: neither layer nor path is a part of it.

        Raises:
            TypeError: ``var_names`` is a single string, whose letters would be the expressions, or holds what is none.
            ValueError: The optimizer is built.
        """
        # Of lists, since an iterator would be used up by the first look.
        listed = [] if var_list is None else list(var_list)
        names = [] if var_names is None else list(var_names)
        if isinstance(var_names, str) or not _are_strings(names):
            of = type(var_names).__name__
            raise TypeError(f"var_names must be a list of strings, got {var_names!r} of type {of}")
        super().exclude_from_weight_decay(listed, names)
        self._exempt_paths = tuple(map(_path, listed))
        self._exempt_names = tuple(names)

    def build(self, variables: list[Any]) -> None:
        """Find the variables that a config exempts, and create the state, after which Keras takes no exemptions."""
        if not exempts_variables(self) and (self._exempt_paths or self._exempt_names):
            self._exempt_again(variables)
        super().build(variables)

    def _exempt_again(self, variables: list[Any]) -> None:
        found = [_match(path, variables) for path in self._exempt_paths]
        lost = [path for path, variable in zip(self._exempt_paths, found, strict=True) if variable is None]
        if lost:
            warnings.warn(
                f"the config exempts {', '.join(lost)} from weight decay, which is none, or not one alone, of the "
                f"optimizer's variables: {', '.join(map(_path, variables))}",
                stacklevel=3,
            )
        super().exclude_from_weight_decay([v for v in found if v is not None], self._exempt_names)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor, and the exemptions if there are any."""
        if not (self._exempt_paths or self._exempt_names):
            return super().get_config()
        exempt = {"var_paths": list(self._exempt_paths), "var_names": list(self._exempt_names)}
        return super().get_config() | {_KEY: exempt}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """The optimizer of a config; the exempt variables are found when it is built.

        Raises:
            ValueError: The exemptions are not two lists of strings.
        """
        exempt = config.get(_KEY, dict.fromkeys(_LISTS, ()))
        _check_exemptions(cls.__name__, exempt)
        arguments = {name: value for name, value in config.items() if name != _KEY}
        optimizer = super().from_config(arguments, custom_objects)
        optimizer._exempt_paths, optimizer._exempt_names = (tuple(exempt[name]) for name in _LISTS)
        return optimizer


def _check_exemptions(of: str, exempt: Any) -> None:
    """Raise an error unless these are the exemptions of a config."""
    part = f"{_KEY} in the config of {of}"
    if not isinstance(exempt, Mapping):
        raise ValueError(f"{part} must be a dict with the keys {', '.join(_LISTS)}, got {exempt!r}")
    if missing := [name for name in _LISTS if name not in exempt]:
        raise ValueError(f"{part} must have the keys {', '.join(_LISTS)}; it has no {', no '.join(missing)}")
    if unknown := [str(key) for key in exempt if key not in _LISTS]:
        raise ValueError(f"{part} must have the keys {', '.join(_LISTS)} alone; it also has {', '.join(unknown)}")
    for name in _LISTS:
        if not isinstance(exempt[name], list | tuple) or not _are_strings(exempt[name]):
            raise ValueError(f"{name} of {part} must be a list of strings, got {exempt[name]!r}")


def _are_strings(values: Any) -> bool:
    return all(isinstance(value, str) for value in values)


def _path(variable: Any) -> str:
    """The path of a variable; TensorFlow's own have only a name."""
    return str(getattr(variable, "path", variable.name))


def _match(path: str, variables: list[Any]) -> Any:
    """The one variable of this path, or None. A loaded model may leave out its own name, or begin with it."""
    own = {f"/{_path(variable)}": variable for variable in variables}
    matches = [variable for name, variable in own.items() if name.endswith(f"/{path}") or f"/{path}".endswith(name)]
    return matches[0] if len(matches) == 1 else None
