"""The private names of Keras and TensorFlow that this package uses, and what takes the place of missing public ones.

The releases looked at are Keras 3.3, 3.10 and 3.15, with TensorFlow 2.16, 2.19 and 2.21; a name without a remark is in
all of them. TensorFlow is imported only by the functions that need it, since Keras may run on another backend. Beside
the names here, optimizers and models override some methods that Keras calls; these, too, are listed in
`tests/packaging/test_private_names.py`, which finds any other private name outside of this module.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops
from keras.src.models import Functional
from keras.src.models.model import functional_init_arguments

__all__ = [
    "Functional",
    "Variable",
    "add_interleaved_variables",
    "add_optimizer_variables",
    "are_functional_arguments",
    "build_symbolically",
    "check_known",
    "count_of_updates",
    "exempts_variables",
    "index_of",
    "is_in_xla_graph",
    "known_variables",
    "logits_of",
    "loss_of_model",
    "loss_tracker",
    "random_states",
    "uses_weight_decay",
]

are_functional_arguments = functional_init_arguments
"""Whether these are the arguments of the constructor of a model that is made of its inputs and outputs."""

Variable = next((base for base in keras.Variable.__mro__ if base.__name__ == "KerasVariable"), keras.Variable)
"""The class of all variables of Keras. Up to 3.5, those that layers and optimizers make are no ``keras.Variable``."""

# --- optimizers -------------------------------------------------------------------------------------------------------


def add_optimizer_variables(optimizer: Any, variables: Sequence[Any], name: str) -> list[Any]:
    """Variables of an optimizer's state, one like each of these; a public method since Keras 3.10."""
    if hasattr(optimizer, "add_optimizer_variables"):
        added: list[Any] = optimizer.add_optimizer_variables(variables, name)
        return added
    return [optimizer.add_variable_from_reference(reference_variable=variable, name=name) for variable in variables]


def add_interleaved_variables(optimizer: Any, variables: Sequence[Any], names: Sequence[str]) -> list[list[Any]]:
    """Variables of an optimizer's state, a list for each name, tracked in the order of Keras' own Adam.

    That is the order of the variables, and for each variable that of the names.
    """
    added = [[add_optimizer_variables(optimizer, [variable], name)[0] for name in names] for variable in variables]
    return [[of_one[k] for of_one in added] for k in range(len(names))]


def count_of_updates(optimizer: Any) -> Any:
    """The number of updates so far, fewer than that of calls where the optimizer accumulates gradients.

    Since Keras 3.10 it is the public attribute ``iterations``, which counts the calls before.
    """
    calls = getattr(optimizer, "_iterations", optimizer.iterations)
    accumulated = optimizer.gradient_accumulation_steps
    return ops.floor_divide(calls, accumulated) if accumulated else calls


def known_variables(optimizer: Any) -> list[Any]:
    """The trainable variables that an optimizer was built with."""
    variables: list[Any] = optimizer._trainable_variables
    return variables


def index_of(optimizer: Any, variable: Any) -> int:
    """The position of a variable among those that the optimizer was built with.

    Raises:
        KeyError: It is none of them.
    """
    index: int = optimizer._get_variable_index(variable)
    return index


def check_known(optimizer: Any, variables: Sequence[Any]) -> None:
    """Refuse variables that the optimizer was not built with.

    Raises:
        ValueError: One is unknown.
    """
    optimizer._check_variables_are_known(variables)


def uses_weight_decay(optimizer: Any, variable: Any) -> bool:
    """Whether no call of ``exclude_from_weight_decay`` exempts a variable."""
    return bool(optimizer._use_weight_decay(variable))


def exempts_variables(optimizer: Any) -> bool:
    """Whether ``exclude_from_weight_decay`` of Keras has been called."""
    return hasattr(optimizer, "_exclude_from_weight_decay")


# --- models -----------------------------------------------------------------------------------------------------------


def build_symbolically(model: Any, data: Any) -> None:
    """Create the variables of a subclassed model from a batch of data."""
    model._symbolic_build(data_batch=data)


def loss_of_model(model: Any, **arguments: Any) -> Any:
    """The loss that a model was compiled with, with the penalties of its layers."""
    if hasattr(model, "_compute_loss"):
        return model._compute_loss(**arguments)
    # Before Keras 3.6, the public method is not told whether this is training.
    return model.compute_loss(**{name: value for name, value in arguments.items() if name != "training"})


def loss_tracker(model: Any) -> Any:
    """The metric of the mean loss that ``fit`` shows."""
    return model._loss_tracker


def random_states(model: Any) -> list[Any]:
    """The states of all random generators of a model, variables."""
    return [generator.state for layer in model._flatten_layers() for generator in layer._seed_generators]


# --- TensorFlow -------------------------------------------------------------------------------------------------------


def logits_of(tensor: Any) -> Any:
    """What a softmax or sigmoid returned this tensor for, if Keras has kept it; else the tensor."""
    return getattr(tensor, "_keras_logits", tensor)


def is_in_xla_graph() -> bool:
    """Whether XLA is to compile the graph in which TensorFlow records operations."""
    import tensorflow as tf
    from tensorflow.python.ops.control_flow_util import GraphOrParentsInXlaContext

    return bool(GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph()))
