"""The oldest releases of the frameworks that the adapters support. This module imports none of them."""

import re
from collections.abc import Mapping
from types import ModuleType
from typing import Final, NamedTuple

__all__ = ["FRAMEWORKS", "Framework", "refuse_old"]


class Framework(NamedTuple):
    """What an adapter needs.

    Attributes:
        title: The name that people use.
        oldest: The oldest release.
    """

    title: str
    oldest: str


FRAMEWORKS: Final[Mapping[str, Framework]] = {
    "torch": Framework("PyTorch", "2.4"),
    "keras": Framework("Keras", "3.3"),
    "tensorflow": Framework("TensorFlow", "2.16"),
    "jax": Framework("JAX", "0.4.38"),
    "optax": Framework("Optax", "0.2.4"),
}
"""By the name of the module. The same numbers stand in pyproject.toml and in docs/install.md."""


def refuse_old(adapter: str, extra: str, *frameworks: ModuleType) -> None:
    """Refuse a framework that is too old for an adapter, before the adapter fails at something that is not there.

    Args:
        adapter: The name of the package that needs the framework.
        extra: The extra of this distribution that installs it.
        *frameworks: The imported modules.

    Raises:
        ImportError: One is too old. The message names it, the release that is installed, and the oldest one that works.

    Example:
        >>> from types import ModuleType
        >>> torch = ModuleType("torch")
        >>> torch.__version__ = "2.3.1+cpu"
        >>> refuse_old("indian_torch", "torch", torch)
        Traceback (most recent call last):
        ...
        ImportError: indian_torch needs PyTorch 2.4 or newer, found 2.3.1+cpu; update it with: pip install --upgrade 'indian[torch]'
    """  # noqa: E501
    for module in frameworks:
        title, oldest = FRAMEWORKS[module.__name__]
        found = str(getattr(module, "__version__", oldest))
        # A version without numbers is somebody's own build.
        if (_numbers(found) or _numbers(oldest)) < _numbers(oldest):
            raise ImportError(
                f"{adapter} needs {title} {oldest} or newer, found {found}; "
                f"update it with: pip install --upgrade 'indian[{extra}]'"
            )


def _numbers(version: str) -> tuple[int, ...]:
    """The numbers that a version begins with."""
    release = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(map(int, release.group().split("."))) if release else ()
