"""Exemptions from weight decay that are saved with the optimizer. Keras forgets them."""

import warnings
from typing import Any

import keras

__all__ = ["SavedExemptions"]

_KEY = "exclude_from_weight_decay"


class SavedExemptions(keras.optimizers.Optimizer):
    """An optimizer whose config holds which variables `exclude_from_weight_decay` named, single ones by their path."""

    _exempt_paths: tuple[str, ...] = ()
    _exempt_names: tuple[str, ...] = ()

    def exclude_from_weight_decay(self, var_list: Any = None, var_names: Any = None) -> None:
        """Exempt variables from weight decay. A further call replaces this one.

        Args:
            var_list: Variables.
            var_names: Regular expressions; a variable is exempt if one of them matches a part of its name. That is the
                Keras variable's own on every backend, `bias` for instance: neither layer nor path is a part of it.
        """
        super().exclude_from_weight_decay(var_list, var_names)
        self._exempt_paths = tuple(_path(variable) for variable in var_list or ())
        self._exempt_names = tuple(var_names or ())

    def build(self, variables: list[Any]) -> None:
        """Create the state, and find the variables that a config exempts."""
        super().build(variables)
        if hasattr(self, "_exclude_from_weight_decay") or not (self._exempt_paths or self._exempt_names):
            return
        found = [_match(path, variables) for path in self._exempt_paths]
        lost = [path for path, variable in zip(self._exempt_paths, found, strict=True) if variable is None]
        if lost:
            warnings.warn(
                f"the config exempts {', '.join(lost)} from weight decay, which is none, or not one alone, of the "
                f"optimizer's variables: {', '.join(map(_path, variables))}",
                stacklevel=2,
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
        """The optimizer of a config; the exempt variables are found when it is built."""
        arguments = {name: value for name, value in config.items() if name != _KEY}
        optimizer = super().from_config(arguments, custom_objects)
        exempt = config.get(_KEY, {})
        optimizer._exempt_paths = tuple(exempt.get("var_paths", ()))
        optimizer._exempt_names = tuple(exempt.get("var_names", ()))
        return optimizer


def _path(variable: Any) -> str:
    """The path of a variable; TensorFlow's own have only a name."""
    return str(getattr(variable, "path", variable.name))


def _match(path: str, variables: list[Any]) -> Any:
    """The one variable of this path, or None. A loaded model may leave out its own name, or begin with it."""
    own = {f"/{_path(variable)}": variable for variable in variables}
    matches = [variable for name, variable in own.items() if name.endswith(f"/{path}") or f"/{path}".endswith(name)]
    return matches[0] if len(matches) == 1 else None
