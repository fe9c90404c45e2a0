"""The frameworks of the demo: their names, what they need, and the module that trains in each."""

import importlib
import importlib.util
from typing import Final, NamedTuple

from experiments.demo.training import Trainer

__all__ = ["FRAMEWORKS", "Framework"]


class Framework(NamedTuple):
    """A framework that the demo can train in.

    Attributes:
        title: Its name in tables and figures.
        modules: What must be installed for it.
        extra: The extra of this package that installs them.
        trainer_module: Holds its `Trainer`.
    """

    title: str
    modules: tuple[str, ...]
    extra: str
    trainer_module: str

    def missing(self) -> list[str]:
        """The modules it needs that are not installed; nothing is imported."""
        return [module for module in self.modules if importlib.util.find_spec(module) is None]

    def trainer(self) -> type[Trainer]:
        """The class that trains in it; this imports the framework."""
        return importlib.import_module(self.trainer_module).Trainer


FRAMEWORKS: Final = {
    "torch": Framework("PyTorch", ("torch",), "torch", "experiments.demo.torch_trainer"),
    "keras": Framework("Keras", ("keras", "tensorflow"), "tensorflow", "experiments.demo.keras_trainer"),
    "jax": Framework("JAX", ("jax", "optax"), "jax", "experiments.demo.jax_trainer"),
}
"""By the name that ``--framework`` takes."""
