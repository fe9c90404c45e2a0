"""The step of one leaf of the parameters, written so that XLA computes it in place."""

import operator
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from indian_core.dynamics import StepCoefficients, displacement, mixed_gradient, next_velocity
from indian_core.hyperparameters import check_shape
from indian_core.norms import NormCoefficients, accumulate, preconditioned, scale, with_epsilon_in_root
from indian_jax._arguments.dtypes import inexact_dtype, working_dtype
from indian_jax._arguments.scalars import Scalar
from indian_jax._arguments.trees import is_none
from indian_jax._compat import optimization_barrier
from indian_jax._step.coefficients import Packed

__all__ = ["Leaf", "LeafStep", "step_leaf", "step_leaves"]


class Leaf(NamedTuple):
    """What a step reads of one leaf.

    Attributes:
        gradient: g; None takes no step.
        velocity: m.
        accumulator: v of the norm; None is the Euclidean norm.
        theta: θ; None where it does not decay.
    """

    gradient: jax.typing.ArrayLike | None
    velocity: Any
    accumulator: Any
    theta: jax.typing.ArrayLike | None


@dataclass(frozen=True)
class LeafStep:
    """What a step makes of one leaf. `jax.tree.map` treats it as a leaf, since it is no pytree."""

    displacement: jax.Array | None
    velocity: Any
    accumulator: Any


def step_leaves(trees: tuple[Any, Any, Any, Any], *coefficients: Any, **options: Any) -> tuple[Any, Any, Any]:
    """Take the step of all leaves.

    Args:
        trees: The trees of g, m, v and θ, of one structure; v and θ may be None at leaves, as in `Leaf`.
        *coefficients: As of `step_leaf`.
        **options: As of `step_leaf`.

    Returns:
        The trees of displacements, new velocities and new accumulators.
    """

    def step(path: Any, *leaf: Any) -> LeafStep:
        return step_leaf(path, Leaf(*leaf), *coefficients, **options)

    steps = jax.tree_util.tree_map_with_path(step, *trees, is_leaf=is_none)
    displacements, velocities, accumulators = (
        jax.tree.map(operator.attrgetter(field.name), steps) for field in fields(LeafStep)
    )
    return displacements, velocities, accumulators


def step_leaf(
    path: Any,
    leaf: Leaf,
    step_in: Callable[[Any, bool], Packed[StepCoefficients]],
    norm_in: Callable[[Any], Packed[NormCoefficients]],
    *,
    norm_last: bool = False,
    epsilon_in_root: Scalar | None = None,
) -> LeafStep:
    """Take the step of one leaf.

    Args:
        path: Where the leaf is, for messages.
        leaf: The arrays.
        step_in: The coefficients of the step, from `step_coefficients`.
        norm_in: The coefficients of the norm, from `norm_coefficients`; called only if there is an accumulator.
        norm_last: Whether A⁻¹ acts on the displacement, as in Adam, and not on the gradient. Only for steps without a
            share of θ and of the velocity in the gradient.
        epsilon_in_root: As ``epsilon`` of `indian_core.norms.with_epsilon_in_root`; None for none.

    Returns:
        The displacement, in the gradient's dtype, and the new state, in its own dtypes.

    Raises:
        ValueError: The gradient, θ or the accumulator is not of the velocity's shape.
    """
    if leaf.gradient is None:
        return LeafStep(None, leaf.velocity, leaf.accumulator)
    arrays = {"gradient": leaf.gradient, "state.accumulator": leaf.accumulator, "params": leaf.theta}
    for name, array in arrays.items():
        if array is not None:
            check_shape(f"{name}{jax.tree_util.keystr(path)}", jnp.shape(array), jnp.shape(leaf.velocity))
    dtype = working_dtype(leaf.gradient, leaf.velocity, 0.0 if leaf.accumulator is None else leaf.accumulator)
    coefficients = step_in(dtype, leaf.theta is not None)
    norm = None if leaf.accumulator is None else norm_in(jnp.finfo(dtype).dtype)
    # In a jitted step, equal leaves are traced and lowered once. An eager step would compile again for other numbers.
    step = _jitted_step if isinstance(leaf.velocity, jax.core.Tracer) else _step
    return LeafStep(*step(dtype, leaf, coefficients, norm, epsilon_in_root, norm_last=norm_last))


def _step(
    dtype: Any,
    leaf: Leaf,
    coefficients: Packed[StepCoefficients],
    norm: Packed[NormCoefficients] | None,
    epsilon_in_root: Scalar | None,
    *,
    norm_last: bool,
) -> tuple[jax.Array, jax.Array, jax.Array | None]:
    """The displacement, the new velocity and the new accumulator of a leaf, computed in a dtype."""
    real = jnp.finfo(dtype).dtype
    theta = None if leaf.theta is None else jnp.asarray(leaf.theta, dtype)
    g, m, v = jnp.asarray(leaf.gradient, dtype), jnp.asarray(leaf.velocity, dtype), leaf.accumulator
    c, n = coefficients.unpacked(), None if norm is None else norm.unpacked()

    def in_norm(array: jax.Array, accumulator: Any) -> jax.Array:
        if n is None:
            return array
        # The root has no derivative at 0, where a coordinate has never had a gradient.
        positive = jnp.real(accumulator).astype(real) + jnp.finfo(real).tiny
        if epsilon_in_root is not None:
            positive = with_epsilon_in_root(positive, n, jnp.asarray(epsilon_in_root, real))
        return preconditioned(array, scale(positive, n, jnp).astype(dtype))

    exact = v
    if n is not None:
        size = jnp.abs(g) if jnp.iscomplexobj(g) else g
        exact = accumulate(jnp.real(v).astype(real), size, n)
        v = exact.astype(v.dtype)
    # In float16, the squares of small gradients are 0. Other accumulators are read as they are kept: that saves a copy.
    is_kept = n is None or v.dtype != jnp.float16
    if norm_last:
        next_m = next_velocity(theta, m, g, c).astype(leaf.velocity.dtype)
        step = in_norm(displacement(theta, m, next_m.astype(dtype), g, c), v if is_kept else exact)
        return step.astype(inexact_dtype(leaf.gradient)), next_m, v
    direction = in_norm(g, v if is_kept else exact)
    mixed = _mixed_gradient(theta, m, direction, c)
    next_m = next_velocity(theta, m, mixed, c).astype(leaf.velocity.dtype)
    if n is not None and is_kept and mixed is direction:
        mixed = in_norm(g, _read_back(v))
    # From the rounded velocity: to read the unrounded one, XLA would copy the old velocity.
    step = displacement(theta, m, next_m.astype(dtype), mixed, c)
    return step.astype(inexact_dtype(leaf.gradient)), next_m, v


_jitted_step = jax.jit(_step, static_argnames=("dtype", "norm_last"))


@jax.jit
def _read_back(accumulator: jax.Array) -> jax.Array:
    """The new accumulator, read from memory by the kernel of the displacement.

    For CPUs, XLA makes one kernel of each output. Two of them need the gradient in the norm; XLA would store it, which
    costs more than the rest of the step. With the barrier, each kernel computes it from the accumulator.
    """
    return jax.lax.platform_dependent(accumulator, cpu=optimization_barrier, default=lambda v: v)


def _mixed_gradient(
    theta: jax.Array | None, velocity: jax.Array, gradient: jax.Array, coefficients: StepCoefficients
) -> jax.Array:
    """The core's mixed gradient, computed without a copy of the velocity.

    If the update and the new velocity both read the old velocity, XLA for CPUs copies it first. A conditional computes
    the mixed gradient in place of the gradient, and only where αγ is near 1. On other devices XLA fuses everything into
    one kernel, which a conditional would split.
    """
    share = coefficients.gradient_velocity
    if isinstance(share, float) and share == 0:
        return gradient
    # A leaf without θ does not decay.
    decay = None if theta is None else coefficients.velocity_decay
    return _traced_mixed_gradient(theta, velocity, gradient, jnp.asarray(share, gradient.dtype), decay)


# In a jitted step, equal leaves are traced once.
@jax.jit
def _traced_mixed_gradient(
    theta: jax.Array | None, velocity: jax.Array, gradient: jax.Array, share: jax.Array, decay: jax.Array | None
) -> jax.Array:
    def mixed(theta: jax.Array | None, velocity: jax.Array, gradient: jax.Array) -> jax.Array:
        return mixed_gradient(theta, velocity, gradient, share, 0.0 if decay is None else decay)

    def unmixed(*arrays: Any) -> jax.Array:
        # The gradient, in the type that the other branch has under `jax.shard_map`.
        return jnp.where(False, mixed(*arrays), arrays[-1])

    def mixed_where_needed(*arrays: Any) -> jax.Array:
        return jax.lax.cond(share != 0, mixed, unmixed, *arrays)

    return jax.lax.platform_dependent(theta, velocity, gradient, cpu=mixed_where_needed, default=mixed)
