"""INDIAN as an `optax.GradientTransformation`."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from indian_core.dynamics import StepCoefficients, phase_from_velocity, post_form, velocity_step
from indian_core.hyperparameters import DEFAULTS, check

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
    initial_speed: jax.typing.ArrayLike = DEFAULTS.initial_speed,
    weight_decay: jax.typing.ArrayLike = DEFAULTS.weight_decay,
    mask: Any | Callable[[optax.Params], Any] | None = None,
    velocity_dtype: Any | None = None,
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
    ready for `optax.apply_updates`, sign included.

    Args:
        learning_rate: Step size γ >= 0, or a schedule.
        alpha: Viscous damping α >= 0.
        beta: Newton damping β > 0.
        initial_speed: s: the first step starts with velocity −s g. The paper uses 1.
        weight_decay: Decay rate λ >= 0, decoupled from the gradient; to first order in γ the penalty (λ/2β)‖θ‖².
            Unless it is the Python number 0, ``update`` needs ``params``.
        mask: Which parameters decay: a tree of bools with the parameters' structure or a prefix of it, or a function
            from the parameters to one; None: all.
        velocity_dtype: Floating dtype of the velocity of real parameters; None: the parameter's own.

    Returns:
        The transformation, with state `INDIANState`. Hyperparameters that are traced values are not checked.

    Raises:
        TypeError: A hyperparameter is not a number, or ``velocity_dtype`` not a floating dtype.
        ValueError: A hyperparameter is out of its range; in ``update``, ``params`` is missing.

    Example:
        >>> tx = optax.chain(optax.clip_by_global_norm(1.0), indian(learning_rate=0.1, alpha=0.5, beta=0.1))
        >>> params = jnp.array([1.0, 2.0])
        >>> state = tx.init(params)
        >>> updates, state = tx.update(2 * params, state, params)
        >>> optax.apply_updates(params, updates).shape
        (2,)
    """
    if not callable(learning_rate):
        _check_concrete(learning_rate=learning_rate)
    _check_concrete(alpha=alpha, beta=beta, initial_speed=initial_speed, weight_decay=weight_decay)
    if velocity_dtype is not None and not jnp.issubdtype(velocity_dtype, jnp.floating):
        raise TypeError(f"velocity_dtype must be a floating dtype or None, got {velocity_dtype!r}")
    decays = not (isinstance(weight_decay, int | float) and weight_decay == 0)

    def init_fn(params: optax.Params) -> INDIANState:
        def zero(param: jax.Array) -> jax.Array:
            return jnp.zeros_like(param, dtype=None if jnp.iscomplexobj(param) else velocity_dtype)

        return INDIANState(count=jnp.zeros((), jnp.int32), velocity=jax.tree.map(zero, params))

    def update_fn(
        updates: optax.Updates, state: INDIANState, params: optax.Params | None = None, **extra_args: Any
    ) -> tuple[optax.Updates, INDIANState]:
        del extra_args
        if decays and params is None:
            raise ValueError("params must be passed to update where weight_decay is not 0, got None")

        def coefficients(weight_decay: jax.typing.ArrayLike) -> StepCoefficients:
            return post_form(
                learning_rate(state.count) if callable(learning_rate) else learning_rate,
                alpha,
                beta,
                initial_speed=initial_speed,
                weight_decay=weight_decay,
                first=state.count == 0,
            )

        decay_mask = decays and (mask(params) if callable(mask) else mask is None or mask)
        displacements, velocity = _step_tree(
            params,
            state.velocity,
            updates,
            jax.tree.broadcast(decay_mask, updates),
            decaying=coefficients(weight_decay),
            plain=coefficients(0.0),
        )
        return displacements, INDIANState(optax.safe_increment(state.count), velocity)

    return optax.GradientTransformationExtraArgs(init_fn, update_fn)


inna = INNA = indian


def phase(
    params: optax.Params, state: optax.OptState, *, alpha: jax.typing.ArrayLike, beta: jax.typing.ArrayLike
) -> optax.Params:
    """The phase variable ψ, a tree like the parameters.

    Args:
        params: θ.
        state: State of `indian`, or of a chain or wrapper that holds one such state; at least one step old, since ψ₀
            depends on the first gradient.
        alpha: α of that transformation.
        beta: β of that transformation.

    Raises:
        TypeError: ``alpha`` or ``beta`` is not a number.
        ValueError: ``alpha`` or ``beta`` is out of its range, or ``state`` holds no state of `indian`.
        KeyError: ``state`` holds several of them.

    Example:
        >>> tx = indian(0.1, alpha=0.5, beta=0.1)
        >>> params = jnp.array([1.0])
        >>> updates, state = tx.update(params, tx.init(params), params)
        >>> phase(optax.apply_updates(params, updates), state, alpha=0.5, beta=0.1).shape
        (1,)
    """
    _check_concrete(alpha=alpha, beta=beta)
    indian_state = optax.tree.get(state, INDIANState.__name__)
    if indian_state is None:
        raise ValueError(f"state must hold a state of indian, got {jax.tree.structure(state)}")
    return jax.tree.map(lambda theta, m: phase_from_velocity(theta, m, alpha, beta), params, indian_state.velocity)


def _check_concrete(**hyperparameters: Any) -> None:
    check(**{name: value for name, value in hyperparameters.items() if not isinstance(value, jax.core.Tracer)})


def _step_tree(
    params: optax.Params | None,
    velocity: optax.Params,
    gradients: optax.Updates,
    decay_mask: Any,
    *,
    decaying: StepCoefficients,
    plain: StepCoefficients,
) -> tuple[optax.Updates, optax.Params]:
    structure: Any = jax.tree.structure(gradients)
    leaves = jax.tree.leaves(gradients)
    thetas = [None] * len(leaves) if params is None else structure.flatten_up_to(params)
    masks = structure.flatten_up_to(decay_mask)
    stepped = [
        _step_leaf(theta, m, g, decaying if decays else plain)
        for theta, m, g, decays in zip(thetas, structure.flatten_up_to(velocity), leaves, masks, strict=True)
    ]
    return structure.unflatten(d for d, _ in stepped), structure.unflatten(m for _, m in stepped)


def _step_leaf(
    theta: jax.Array | None, velocity: jax.Array, gradient: jax.Array, coefficients: StepCoefficients
) -> tuple[jax.Array, jax.Array]:
    # In bfloat16, 1 − αγ would be 1.
    dtype = jnp.promote_types(gradient.dtype, jnp.float32)
    displacement, next_velocity = velocity_step(
        None if theta is None else theta.astype(dtype), velocity.astype(dtype), gradient.astype(dtype), coefficients
    )
    return displacement.astype(gradient.dtype), next_velocity.astype(velocity.dtype)
