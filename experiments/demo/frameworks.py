"""The frameworks of the demo: their names, and what they need."""

import importlib.util
from typing import Final, NamedTuple

from experiments.lib.trainers import LIBRARIES

__all__ = ["FRAMEWORKS", "Framework"]


class Framework(NamedTuple):
    """A framework that the demo can train in.

    Attributes:
        title: Its name in tables and figures.
        modules: What must be installed for it.
        extra: The extra of this package that installs them.
    """

    title: str
    modules: tuple[str, ...]
    extra: str

    def missing(self) -> list[str]:
        """The modules it needs that are not installed; nothing is imported."""
        return [module for module in self.modules if importlib.util.find_spec(module) is None]


FRAMEWORKS: Final = {
    "torch": Framework("PyTorch", LIBRARIES["torch"], "torch"),
    "keras": Framework("Keras", LIBRARIES["keras"], "tensorflow"),
    "jax": Framework("JAX", LIBRARIES["jax"], "jax"),
}
"""By the name that ``--framework`` takes."""
