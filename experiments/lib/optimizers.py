"""Optimizers by name in each framework, built from the same hyperparameters.

Every optimizer takes the learning rate of each step from the training loop, so that schedules are the same everywhere.
The same name takes the same steps in the three frameworks, except some optimizers of the frameworks' own: Keras' Adam
and AdamW add ε before they take the bias out; Keras' SGD multiplies gradients with the learning rate before momentum
sums them up, which is the same as long as the learning rate is; and each framework has another schedule for the
momentum of its NAdam. Frameworks are imported where they are used.
"""

from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    import keras
    import optax
    import torch

__all__ = ["OURS", "in_jax", "in_keras", "in_torch"]

OURS: Final = ("INDIAN", "INDIAN, AdaGrad norm", "INNAprop")
"""The optimizers of this project: their runs depend on the adapters' code."""

Hyperparameters = Mapping[str, float]

_EPSILON: Final = 1e-8
_ADAGRAD_EPSILON: Final = 1e-10
"""Those of PyTorch, which adds both outside of the root."""


def in_torch(name: str, params: "Iterable[torch.nn.Parameter]", hyperparameters: Hyperparameters) -> Any:
    """A `torch.optim.Optimizer` in the fastest of PyTorch's implementations.

    Args:
        name: Of the optimizer.
        params: What it optimizes.
        hyperparameters: In PyTorch's names; Adam's betas as beta1 and beta2, and its eps if it is not 1e-8. The
            learning rate may be among them.

    Raises:
        ValueError: There is no such optimizer.
    """
    from torch import optim

    given: dict[str, Any] = dict(hyperparameters)
    if "beta1" in given:
        given["betas"] = (given.pop("beta1"), given.pop("beta2", 0.999))
    match name:
        case "SGD":
            return optim.SGD(params, fused=True, **given)
        case "SGD-Nesterov":
            return optim.SGD(params, nesterov=True, fused=True, **given)
        case "AdaGrad":
            return optim.Adagrad(params, foreach=True, **given)
        case "RMSProp":
            return optim.RMSprop(params, foreach=True, **given)
        case "Adam":
            return optim.Adam(params, fused=True, **given)
        case "AdamW":
            return optim.AdamW(params, fused=True, **given)
        case "NAdam":
            return optim.NAdam(params, foreach=True, decoupled_weight_decay=True, **given)
    if name in OURS:
        ours: Any = import_module("indian_torch")
        match name:
            case "INDIAN":
                return ours.INDIAN(params, **given)
            case "INDIAN, AdaGrad norm":
                return ours.INDIAN(params, norm="adagrad", **given)
            case "INNAprop":
                return ours.INNAprop(params, **given)
    raise _unknown(name, "PyTorch")


def in_keras(name: str, hyperparameters: Hyperparameters) -> "keras.optimizers.Optimizer":
    """A `keras.optimizers.Optimizer`; arguments as in `in_torch`."""
    import keras

    # On TensorFlow, Keras' own optimizers round a Python number to float32 before they cast it to float64, but not a
    # NumPy number.
    given: dict[str, Any] = {key: np.float64(value) for key, value in hyperparameters.items()}
    for torch_name, keras_name in (("beta1", "beta_1"), ("beta2", "beta_2"), ("eps", "epsilon")):
        if torch_name in given:
            given[keras_name] = given.pop(torch_name)
    rate = float(given.pop("lr", 1.0))
    match name:
        case "SGD":
            return keras.optimizers.SGD(rate, **given)
        case "SGD-Nesterov":
            return keras.optimizers.SGD(rate, nesterov=True, **given)
        case "AdaGrad":
            return keras.optimizers.Adagrad(rate, initial_accumulator_value=0.0, epsilon=_ADAGRAD_EPSILON**2, **given)
        case "RMSProp":
            # Keras adds ε under the root, PyTorch outside.
            return keras.optimizers.RMSprop(rate, rho=given.pop("alpha", 0.99), epsilon=_EPSILON**2, **given)
        case "Adam":
            return keras.optimizers.Adam(rate, **{"epsilon": _EPSILON, **given})
        case "AdamW":
            return keras.optimizers.AdamW(rate, epsilon=_EPSILON, **given)
        case "NAdam":
            return keras.optimizers.Nadam(rate, epsilon=_EPSILON, **given)
    if name in OURS:
        ours: Any = import_module("indian_tf")
        numbers = {key: float(value) for key, value in given.items()}
        match name:
            case "INDIAN":
                return ours.INDIAN(rate, **numbers)
            case "INDIAN, AdaGrad norm":
                return ours.INDIAN(rate, norm="adagrad", **numbers)
            case "INNAprop":
                return ours.INNAprop(rate, **numbers)
    raise _unknown(name, "Keras")


def in_jax(name: str, learning_rate: Any, hyperparameters: Hyperparameters) -> "optax.GradientTransformation":
    """An Optax transformation for one step's learning rate, which may be traced; arguments as in `in_torch`."""
    import optax

    given: dict[str, Any] = {key: value for key, value in hyperparameters.items() if key != "lr"}
    for torch_name, optax_name in (("beta1", "b1"), ("beta2", "b2")):
        if torch_name in given:
            given[optax_name] = given.pop(torch_name)
    match name:
        case "SGD":
            return optax.sgd(learning_rate, **given)
        case "SGD-Nesterov":
            return optax.sgd(learning_rate, nesterov=True, **given)
        case "AdaGrad":
            # Optax adds ε under the root, too.
            return optax.adagrad(learning_rate, initial_accumulator_value=0.0, eps=_ADAGRAD_EPSILON**2, **given)
        case "RMSProp":
            decay = given.pop("alpha", 0.99)
            return optax.rmsprop(learning_rate, decay=decay, eps=_EPSILON, eps_in_sqrt=False, **given)
        case "Adam":
            return optax.adam(learning_rate, **given)
        case "AdamW":
            return optax.adamw(learning_rate, **{"weight_decay": 0.01, **given})
        case "NAdam":
            return optax.nadamw(learning_rate, **{"weight_decay": 0.0, **given})
    if name in OURS:
        ours: Any = import_module("indian_jax")
        match name:
            case "INDIAN":
                return ours.indian(learning_rate, **given)
            case "INDIAN, AdaGrad norm":
                return ours.indian(learning_rate, norm="adagrad", **given)
            case "INNAprop":
                return ours.innaprop(learning_rate, **given)
    raise _unknown(name, "JAX")


def _unknown(name: str, framework: str) -> ValueError:
    return ValueError(f"there is no optimizer named {name!r} in {framework} here")
