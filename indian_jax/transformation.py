"""INDIAN as an `optax.GradientTransformation`."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from indian_core.dynamics import StepCoefficients, mixed_gradient, phase_from_velocity, post_form, velocity_step
from indian_core.hyperparameters import DEFAULTS, RANGES, check_shape, check_started
from indian_jax.decay_mask import Mask, check_mask, decay_mask
from indian_jax.hyperparameters import check_floating_dtype, scalar, scheduled
from indian_jax.matching_trees import check_structure, is_none
from indian_jax.schedules import largest_value

__all__ = ["INNA", "INDIANState", "indian", "inna", "phase"]


class INDIANState(NamedTuple):
    """State of `indian`.

    Attributes:
        count: Number of steps taken, an int32 scalar.
        velocity: m, a tree like the parameters; zero before the first step.
    """

    count: jax.Array  # type: ignore[assignment]  # tuple.count
    velocity: optax.Params


def indian(
    learning_rate: optax.ScalarOrSchedule = DEFAULTS.learning_rate,
    alpha: jax.typing.ArrayLike = DEFAULTS.alpha,
    beta: jax.typing.ArrayLike = DEFAULTS.beta,
    *,
    initial_speed: jax.typing.ArrayLike | None = DEFAULTS.initial_speed,
    weight_decay: jax.typing.ArrayLike | None = None,
    mask: Mask | None = None,
    velocity_dtype: jax.typing.DTypeLike | None = None,
) -> optax.GradientTransformationExtraArgs:
    r"""INDIAN, the inertial Newton algorithm: a heavy ball with Newton damping, at the cost of a gradient.

    With the velocity :math:`m`, gradient :math:`g`, step size :math:`\gamma`, viscous damping :math:`\alpha` and Newton
    damping :math:`\beta`, a step is

    .. math::
        \theta \leftarrow \theta + \gamma m - \gamma\beta g, \qquad
        m \leftarrow (1 - \alpha\gamma) m - \gamma (1 - \alpha\beta) g,

    which is equation (11) of Castera, Bolte, Févotte, Pauwels, "An Inertial Newton Algorithm for Deep Learning" (2019),
    rewritten (see `indian_core.dynamics`). The paper's successor calls the method INNA; so do the aliases `inna` and
    `INNA`.

    The learning rate belongs inside this transformation, unlike in others: the velocity depends on it. The updates are
    ready for `optax.apply_updates`, sign included, in the dtype of the gradients; the arithmetic is done in float32 or
    better. A gradient that is None gives the update None and leaves its velocity alone. The first step is that of the
    transformation: for parameters that join later to start with the initial speed, too, give them a transformation of
    their own, with `optax.partition` for instance.

    On CPUs, a step with donated parameters and state works in place. If α is no Python number, or the learning rate
    neither a number nor a schedule of this package, it does so only where the gradients are computed in the same jitted
    function, and not handed to it.

    With `optax.inject_hyperparams` every number becomes an array in the state, and a function or dtype is taken for a
    schedule unless it is named in ``static_args``::

        optax.inject_hyperparams(indian, static_args=("mask", "velocity_dtype"))(learning_rate=0.1, mask=matrices)

    A ``weight_decay`` that is to change later has to be there from the start, as a number, 0 included; then ``update``
    needs ``params``. For complex parameters, give ``inject_hyperparams`` a real ``hyperparam_dtype``.

    Args:
        learning_rate: Step size γ >= 0, or a schedule, whose values are not checked.
        alpha: Viscous damping α >= 0.
        beta: Newton damping β > 0.
        initial_speed: s: the first step starts with velocity −s g. The paper uses 1.
        weight_decay: Decay rate λ >= 0, decoupled from the gradient; to first order in γ the penalty (λ/2β)‖θ‖². Where
            it is neither None nor known to be 0, ``update`` needs ``params``. None: the default, no decay.
        mask: Which parameters decay: a tree of bools with the parameters' structure or a prefix of it, or a function
            from the parameters to one; None: all.
        velocity_dtype: Floating dtype of the velocity of real parameters; None: the parameter's own.

    Returns:
        The transformation, with state `INDIANState`. Of traced hyperparameters only dtype and shape are checked.

    Raises:
        TypeError: A hyperparameter is not a number, ``velocity_dtype`` not a floating dtype, or ``mask`` not made of
            bools.
        ValueError: A hyperparameter is out of its range; in ``update``, ``params`` is missing, ``mask`` does not fit
            the gradients, or a gradient is not of its parameter's shape.

    Example:
        >>> import jax.numpy as jnp
        >>> import optax
        >>> from indian_jax import indian
        >>> tx = optax.chain(optax.clip_by_global_norm(1.0), indian(learning_rate=0.1, alpha=0.5, beta=0.1))
        >>> params = jnp.array([1.0, 2.0])
        >>> state = tx.init(params)
        >>> updates, state = tx.update(2 * params, state, params)
        >>> optax.apply_updates(params, updates).shape
        (2,)
    """
    if not callable(learning_rate):
        learning_rate = scalar("learning_rate", learning_rate, RANGES["learning_rate"])
    alpha = scalar("alpha", alpha, RANGES["alpha"])
    beta = scalar("beta", beta, RANGES["beta"])
    if initial_speed is not None:
        initial_speed = scalar("initial_speed", initial_speed, RANGES["initial_speed"])
    if weight_decay is None:
        weight_decay = DEFAULTS.weight_decay
    weight_decay = scalar("weight_decay", weight_decay, RANGES["weight_decay"])
    if velocity_dtype is not None:
        check_floating_dtype("velocity_dtype", velocity_dtype)
        velocity_dtype = jax.dtypes.canonicalize_dtype(velocity_dtype)
    check_mask(mask)
    largest_step_size = largest_value(learning_rate)
    decays = isinstance(weight_decay, jax.Array) or weight_decay != 0

    def init_fn(params: optax.Params) -> INDIANState:
        def zero(param: jax.typing.ArrayLike) -> jax.Array:
            own = velocity_dtype is None or jnp.iscomplexobj(param)
            return jnp.zeros_like(param, dtype=_inexact_dtype(param) if own else velocity_dtype)

        return INDIANState(count=jnp.zeros((), jnp.int32), velocity=jax.tree.map(zero, params))

    def update_fn(
        updates: optax.Updates, state: INDIANState, params: optax.Params | None = None, **extra_args: Any
    ) -> tuple[optax.Updates, INDIANState]:
        del extra_args

        step_size = learning_rate
        if callable(learning_rate):
            step_size = scheduled("learning_rate", learning_rate(state.count))
        form = partial(
            post_form, step_size, alpha, beta, initial_speed=initial_speed, largest_step_size=largest_step_size
        )
        check_structure("state", state.velocity, "the gradients", updates)
        if decays:
            if params is None:
                raise ValueError("params must be passed to update where weight_decay is not known to be 0, got None")
            check_structure("params", params, "the gradients", updates)
            leaf_decays = decay_mask(mask, params, updates)
        else:
            # A leaf that does not decay does not need its parameters.
            params = leaf_decays = jax.tree.map(lambda _: False, updates, is_leaf=is_none)
        with_decay = _coefficients_in(partial(form, weight_decay=weight_decay), state.count == 0)
        without = _coefficients_in(form, state.count == 0)

        def step_leaf(path: Any, g: Any, m: Any, theta: Any, decays: bool) -> _LeafStep:
            return _step_leaf(path, g, m, theta, with_decay) if decays else _step_leaf(path, g, m, None, without)

        steps = jax.tree.map_with_path(step_leaf, updates, state.velocity, params, leaf_decays, is_leaf=is_none)
        displacement = jax.tree.map(lambda step: step.displacement, steps)
        velocity = jax.tree.map(lambda step: step.velocity, steps)
        return displacement, INDIANState(optax.safe_increment(state.count), velocity)

    return optax.GradientTransformationExtraArgs(init_fn, update_fn)


inna = INNA = indian


def phase(
    params: optax.Params, state: optax.OptState, *, alpha: jax.typing.ArrayLike, beta: jax.typing.ArrayLike
) -> optax.Params:
    """The phase variable ψ, a tree like the parameters, in their dtypes.

    Args:
        params: θ.
        state: State of `indian`, or of a chain or wrapper that holds one such state; at least one step old, since ψ₀
            depends on the first gradient. Where a wrapper has masked parameters out, so is their ψ
            (`optax.MaskedNode`).
        alpha: α of that transformation.
        beta: β of that transformation.

    Raises:
        TypeError: ``alpha`` or ``beta`` is not a number.
        ValueError: ``alpha`` or ``beta`` is out of its range; ``state`` holds no state of `indian`, several, or one
            that has not taken a step; ``params`` does not fit it.

    Example:
        >>> import jax.numpy as jnp
        >>> import optax
        >>> from indian_jax import indian, phase
        >>> tx = indian(0.1, alpha=0.5, beta=0.1)
        >>> params = jnp.array([1.0])
        >>> updates, state = tx.update(params, tx.init(params), params)
        >>> phase(optax.apply_updates(params, updates), state, alpha=0.5, beta=0.1).shape
        (1,)
    """
    alpha = scalar("alpha", alpha, RANGES["alpha"])
    beta = scalar("beta", beta, RANGES["beta"])
    found = [value for _, value in optax.tree.get_all_with_path(state, INDIANState.__name__)]
    if len(found) != 1:
        raise ValueError(f"state must hold one state of indian, got {len(found)} in {jax.tree.structure(state)}")
    count, velocity = found[0]
    if not isinstance(count, jax.core.Tracer):
        check_started("state", int(np.min(count)))

    def leaf_phase(m: Any, theta: Any) -> Any:
        if _is_masked(m):
            return m
        dtype = _working_dtype(theta, m)
        leaf = phase_from_velocity(jnp.asarray(theta, dtype), jnp.asarray(m, dtype), alpha, beta)
        return leaf.astype(_inexact_dtype(theta))

    try:
        return jax.tree.map(leaf_phase, velocity, params, is_leaf=_is_masked)
    except ValueError as error:
        raise ValueError(
            f"params must have the structure of those that state was made for, {jax.tree.structure(velocity)}, "
            f"got {jax.tree.structure(params)}"
        ) from error


@dataclass(frozen=True)
class _LeafStep:
    """One leaf's share of a step; no pytree, so that `jax.tree.map` takes it for a leaf."""

    displacement: jax.Array | None
    velocity: Any


def _step_leaf(
    path: Any,
    gradient: jax.typing.ArrayLike | None,
    velocity: Any,
    theta: jax.typing.ArrayLike | None,
    coefficients_in: Callable[[Any], StepCoefficients],
) -> _LeafStep:
    if gradient is None:
        return _LeafStep(None, velocity)
    check_shape(f"gradient{jax.tree_util.keystr(path)}", jnp.shape(gradient), jnp.shape(velocity))
    if theta is not None:
        check_shape(f"params{jax.tree_util.keystr(path)}", jnp.shape(theta), jnp.shape(velocity))
    dtype = _working_dtype(gradient, velocity)
    theta = None if theta is None else jnp.asarray(theta, dtype)
    m = jnp.asarray(velocity, dtype)
    coefficients = coefficients_in(jnp.finfo(dtype).dtype)
    g = _mixed_gradient(theta, m, jnp.asarray(gradient, dtype), coefficients)
    displacement, m = velocity_step(theta, m, g, coefficients._replace(gradient_velocity=0.0))
    return _LeafStep(displacement.astype(_inexact_dtype(gradient)), m.astype(velocity.dtype))


def _mixed_gradient(
    theta: jax.Array | None, velocity: jax.Array, gradient: jax.Array, coefficients: StepCoefficients
) -> jax.Array:
    """The core's mixed gradient, computed such that XLA keeps no copy of the velocity.

    For CPUs, XLA makes one kernel of each output. If both the update and the new velocity read the old one, it copies
    the old one first. In a conditional, the mixed gradient is computed apart, in the place of the gradient, and as a
    rule not at all. Compilers for other devices fuse everything into one kernel, to which a conditional would be in the
    way.
    """
    if not isinstance(coefficients.gradient_velocity, jax.core.Tracer):
        return mixed_gradient(theta, velocity, gradient, coefficients.gradient_velocity, coefficients.velocity_decay)
    # Only where there is θ is there its decay.
    decay = None if theta is None else coefficients.velocity_decay
    return _traced_mixed_gradient(theta, velocity, gradient, coefficients.gradient_velocity, decay)


# Compiled by itself only where it is called outside of a jitted step; in one, it is traced once for all equal leaves.
@jax.jit
def _traced_mixed_gradient(
    theta: jax.Array | None, velocity: jax.Array, gradient: jax.Array, share: jax.Array, decay: jax.Array | None
) -> jax.Array:
    def mixed(theta: jax.Array | None, velocity: jax.Array, gradient: jax.Array) -> jax.Array:
        return mixed_gradient(theta, velocity, gradient, share, 0.0 if decay is None else decay)

    def unmixed(*arrays: Any) -> jax.Array:
        # The gradient, of the type that the other branch has under `jax.shard_map`.
        return jnp.where(False, mixed(*arrays), arrays[-1])

    def mixed_where_needed(*arrays: Any) -> jax.Array:
        return jax.lax.cond(share != 0, mixed, unmixed, *arrays)

    return jax.lax.platform_dependent(theta, velocity, gradient, cpu=mixed_where_needed, default=mixed)


def _coefficients_in(form: Callable[..., StepCoefficients], first: jax.Array) -> Callable[[Any], StepCoefficients]:
    """The coefficients as a function of the dtype of the arithmetic, computed where one asks for them."""

    @cache
    def coefficients() -> StepCoefficients:
        later = form(first=False)
        if any(isinstance(c, jax.Array) for c in later):
            return form(first=first)
        # All numbers are known now, but for which of two some are.
        return StepCoefficients(
            *(b if a == b else jnp.where(first, a, b) for a, b in zip(form(first=True), later, strict=True))
        )

    @cache
    def cast(dtype: Any) -> StepCoefficients:
        # A Python number takes the dtype of what it is multiplied with, and tells the core which terms are absent.
        return StepCoefficients(*(c.astype(dtype) if isinstance(c, jax.Array) else c for c in coefficients()))

    return cast


def _working_dtype(*arrays: Any) -> Any:
    return jnp.result_type(*arrays, jnp.float32)


def _inexact_dtype(array: Any) -> Any:
    return jnp.result_type(array, 0.0)


def _is_masked(node: Any) -> bool:
    return isinstance(node, optax.MaskedNode)
