"""The optimizers of the study of the damping, by kind, built in JAX from hyperparameters that may be traced.

A transformation is built for each step with the learning rate of that step, as its schedule gives it. So a program that
is compiled once runs any hyperparameters under any schedule.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Final, NamedTuple

import jax
import jax.numpy as jnp
import optax

from experiments.lib.jax_releases import partition

__all__ = ["KINDS", "Kind", "kind", "scale_by_torch_nadam"]

Hyperparameters = Mapping[str, Any]
"""Numbers or traced numbers by name. The learning rate is that of the step."""

MOMENTUM_DECAY: Final = 4e-3
"""The default of ``momentum_decay`` in `torch.optim.NAdam`."""

MUON_RMS: Final = 0.2
"""Scales the steps of Muon to the size of AdamW's, so that both have the same learning rates."""


class Kind(NamedTuple):
    """One kind of optimizer.

    Attributes:
        make: The transformation, from the hyperparameters and a list of which weights are hidden matrices.
        evaluated: The weights to evaluate, from the state and the weights; None: the weights themselves.
    """

    make: Callable[[Hyperparameters, list[bool]], optax.GradientTransformation]
    evaluated: Callable[[Any, Any], Any] | None = None


class TorchNAdamState(NamedTuple):
    """State of `scale_by_torch_nadam`: the number of steps, the product of the momenta, the averages of g and g²."""

    count: jax.Array  # type: ignore[assignment]  # tuple.count
    product: jax.Array
    mu: optax.Params
    nu: optax.Params


def scale_by_torch_nadam(b1: Any = 0.9, b2: Any = 0.999, eps: Any = 1e-8) -> optax.GradientTransformation:
    """The direction of `torch.optim.NAdam`, whose momentum grows from b1/2 to b1 by a schedule of its own.

    Args:
        b1: Of the average of gradients, and the limit of the momentum.
        b2: Of the average of squared gradients.
        eps: Added to the root.
    """

    def momentum(count: jax.Array) -> jax.Array:
        return b1 * (1 - 0.5 * 0.96 ** (count * MOMENTUM_DECAY))

    def init(params: optax.Params) -> TorchNAdamState:
        zeros = jax.tree.map(jnp.zeros_like, params)
        return TorchNAdamState(jnp.zeros((), jnp.int32), jnp.ones(()), zeros, zeros)

    def update(
        updates: optax.Updates, state: TorchNAdamState, params: optax.Params | None = None
    ) -> tuple[optax.Updates, TorchNAdamState]:
        del params
        count = state.count + 1
        now, later = momentum(count), momentum(count + 1)
        product = state.product * now
        mu = optax.tree_utils.tree_update_moment(updates, state.mu, b1, 1)
        nu = optax.tree_utils.tree_update_moment(updates, state.nu, b2, 2)
        of_average, of_gradient = later / (1 - product * later), (1 - now) / (1 - product)
        directions = jax.tree.map(
            lambda m, v, g: (of_average * m + of_gradient * g) / (jnp.sqrt(v / (1 - b2**count)) + eps), mu, nu, updates
        )
        return directions, TorchNAdamState(count, product, mu, nu)

    return optax.GradientTransformation(init, update)


# --- In the norm of RMSProp -------------------------------------------------------------------------------------------


def _adamw(h: Hyperparameters, hidden: list[bool]) -> optax.GradientTransformation:
    return optax.adamw(h["lr"], h["momentum"], h["norm_decay"], weight_decay=h["weight_decay"])


def _nadamw(h: Hyperparameters, hidden: list[bool]) -> optax.GradientTransformation:
    return optax.nadamw(h["lr"], h["momentum"], h["norm_decay"], weight_decay=h["weight_decay"])


def _torch_nadam(h: Hyperparameters, hidden: list[bool]) -> optax.GradientTransformation:
    return optax.chain(
        scale_by_torch_nadam(h["momentum"], h["norm_decay"]),
        optax.add_decayed_weights(h["weight_decay"]),
        optax.scale_by_learning_rate(h["lr"]),
    )


def _lion(h: Hyperparameters, hidden: list[bool]) -> optax.GradientTransformation:
    return optax.lion(h["lr"], h["momentum"], h["norm_decay"], weight_decay=h["weight_decay"])


def _schedule_free(h: Hyperparameters, hidden: list[bool]) -> optax.GradientTransformation:
    return optax.contrib.schedule_free_adamw(
        h["lr"], b1=h["momentum"], b2=h["norm_decay"], weight_decay=h["weight_decay"]
    )


def _innaprop(h: Hyperparameters, hidden: list[bool]) -> optax.GradientTransformation:
    return import_module("indian_jax").innaprop(
        h["lr"], h["alpha"], h["beta"], norm_decay=h["norm_decay"], weight_decay=h["weight_decay"]
    )


def _damped_adamw(h: Hyperparameters, hidden: list[bool], order: str) -> optax.GradientTransformation:
    return import_module("indian_jax").damped_adamw(
        h["lr"], h["momentum"], h["norm_decay"], weight_decay=h["weight_decay"], damping=h["damping"], order=order
    )


# --- Muon -------------------------------------------------------------------------------------------------------------


def _muon(h: Hyperparameters, hidden: list[bool]) -> optax.GradientTransformation:
    """Muon for hidden matrices, and NAdamW with the same momentum for the other weights."""
    matrix = optax.contrib.MuonDimensionNumbers()
    return optax.contrib.muon(
        h["lr"],
        beta=h["momentum"],
        weight_decay=h["weight_decay"],
        adam_b1=h["momentum"],
        adam_b2=h["norm_decay"],
        adam_weight_decay=h["weight_decay"],
        muon_weight_dimension_numbers=[matrix if is_hidden else None for is_hidden in hidden],
        consistent_rms=MUON_RMS,
    )


def _damped_muon(h: Hyperparameters, hidden: list[bool]) -> optax.GradientTransformation:
    """Muon with damped momentum before the orthogonalization, and DampedAdamW for the other weights."""
    ours = import_module("indian_jax")
    # Without momentum of its own, Muon orthogonalizes what it gets.
    orthogonalized = optax.contrib.muon(
        h["lr"], beta=0.0, nesterov=False, weight_decay=h["weight_decay"], consistent_rms=MUON_RMS
    )
    damped = optax.chain(ours.scale_by_damped_momentum(h["momentum"], h["damping"], average=True), orthogonalized)
    return partition(
        {"hidden": damped, "other": _damped_adamw(h, hidden, "adam")},
        ["hidden" if is_hidden else "other" for is_hidden in hidden],
    )


# --- Without a norm ---------------------------------------------------------------------------------------------------


def _sgd(h: Hyperparameters, hidden: list[bool], *, nesterov: bool) -> optax.GradientTransformation:
    return optax.chain(
        optax.add_decayed_weights(h["weight_decay"]), optax.sgd(h["lr"], h["momentum"], nesterov=nesterov)
    )


def _damped_sgd(h: Hyperparameters, hidden: list[bool]) -> optax.GradientTransformation:
    damped = import_module("indian_jax").damped_sgd(h["lr"], h["momentum"], damping=h["damping"])
    return optax.chain(optax.add_decayed_weights(h["weight_decay"]), damped)


KINDS: Final[Mapping[str, Kind]] = {
    "adamw": Kind(_adamw),
    "nadamw": Kind(_nadamw),
    "torch_nadam": Kind(_torch_nadam),
    "lion": Kind(_lion),
    "schedule_free_adamw": Kind(_schedule_free, evaluated=optax.contrib.schedule_free_eval_params),
    "muon": Kind(_muon),
    "sgd": Kind(lambda h, hidden: _sgd(h, hidden, nesterov=False)),
    "sgd_nesterov": Kind(lambda h, hidden: _sgd(h, hidden, nesterov=True)),
    "innaprop": Kind(_innaprop),
    "damped_adamw": Kind(lambda h, hidden: _damped_adamw(h, hidden, "adam")),
    "damped_adamw_innaprop_order": Kind(lambda h, hidden: _damped_adamw(h, hidden, "innaprop")),
    "damped_muon": Kind(_damped_muon),
    "damped_sgd": Kind(_damped_sgd),
}
"""All kinds of optimizers."""


def kind(name: str) -> Kind:
    """The kind of this name.

    Raises:
        ValueError: There is none.

    Example:
        >>> kind("adamw").evaluated is None
        True
    """
    if name not in KINDS:
        raise ValueError(f"there is no kind of optimizer {name!r}; the kinds are: {', '.join(KINDS)}")
    return KINDS[name]
