"""INDIAN as an `optax.GradientTransformation`, in the Euclidean norm or an adaptive one."""

from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax

from indian_core.hyperparameters import DEFAULTS, RANGES, check_choice, resolve_initial_speed
from indian_core.norms import NORMS, resolve_learning_rate
from indian_jax._arguments.decay_mask import Mask, check_mask, decay_mask
from indian_jax._arguments.dtypes import floating_dtype, inexact_dtype
from indian_jax._arguments.scalars import Scalar, scalar
from indian_jax._arguments.trees import check_accumulator, check_structure, is_none
from indian_jax._step.coefficients import norm_coefficients, step_coefficients
from indian_jax._step.leaf import step_leaves
from indian_jax._step.settings import Settings
from indian_jax.schedules import largest_value

__all__ = ["INNA", "INDIANState", "indian", "inna"]


class INDIANState(NamedTuple):
    """State of `indian`.

    Attributes:
        count: Number of steps taken, an int32 scalar.
        velocity: m, a tree like the parameters; zero before the first step.
        accumulator: v, the running mean or the sum of squared gradients, likewise, and real for complex parameters;
            None for the Euclidean norm.
    """

    count: jax.Array  # type: ignore[assignment]  # tuple.count
    velocity: optax.Params
    accumulator: optax.Params | None = None


def indian(
    learning_rate: optax.ScalarOrSchedule | None = None,
    alpha: jax.typing.ArrayLike = DEFAULTS.alpha,
    beta: jax.typing.ArrayLike = DEFAULTS.beta,
    *,
    initial_speed: jax.typing.ArrayLike | Literal["auto"] | None = DEFAULTS.initial_speed,
    weight_decay: jax.typing.ArrayLike | None = None,
    mask: Mask | None = None,
    norm: str | None = DEFAULTS.norm,
    norm_decay: jax.typing.ArrayLike = DEFAULTS.norm_decay,
    norm_epsilon: jax.typing.ArrayLike = DEFAULTS.norm_epsilon,
    velocity_dtype: jax.typing.DTypeLike | None = None,
    norm_dtype: jax.typing.DTypeLike | None = None,
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

    The learning rate must be given to this transformation, and not to a later one of a chain: the velocity depends on
    it. The updates are ready for `optax.apply_updates`, sign included, in the dtype of the gradients; the arithmetic is
    done in float32 or better. A gradient that is None gives the update None and leaves its velocity alone. The initial
    speed belongs to the first step of the transformation. Parameters that join later need a transformation of their
    own to start with it; see `optax.partition`.

    On CPUs, a step with donated parameters and state works in place if α is a Python number and the learning rate is a
    number or a schedule of this package. Otherwise, it works in place only if the same jitted function computes the
    gradients.

    `optax.inject_hyperparams` puts every number into the state as an array, and takes a function or dtype for a
    schedule unless ``static_args`` names it::

        optax.inject_hyperparams(indian, static_args=("mask", "velocity_dtype"))(learning_rate=0.1, mask=matrices)

    To change ``weight_decay`` later, give a number from the start, for instance 0; then ``update`` needs ``params``.
    Complex parameters and, in a norm, bfloat16 parameters need ``hyperparam_dtype=jnp.float32``.

    Args:
        learning_rate: Step size γ >= 0, or a schedule, whose values are not checked. None: 0.1 without a norm, 0.003 in
            that of RMSProp and 0.01 in that of AdaGrad. Give it to have it among the numbers of
            `optax.inject_hyperparams`.
        alpha: Viscous damping α >= 0.
        beta: Newton damping β > 0.
        initial_speed: s: the first step starts with velocity −s g. The paper uses 1. None: β, for which the kept
            velocity m starts at 0. "auto": 1 without a norm, None in one.
        weight_decay: Decay rate λ >= 0, decoupled from the gradient; to first order in γ the penalty (λ/2β)‖θ‖².
            ``update`` needs ``params`` unless it is None or known to be 0. None: the default, no decay.
        mask: Which parameters decay: a tree of bools with the parameters' structure or a prefix of it, or a function
            from the parameters to one; None: all.
        norm: The norm of the steps, "rmsprop" or "adagrad", see `indian_core.norms`; None: the Euclidean.
        norm_decay: σ in [0, 1), of the RMSProp norm.
        norm_epsilon: ε >= 0, of the RMSProp and AdaGrad norms.
        velocity_dtype: Floating dtype of the velocity of real parameters; None: the parameter's own.
        norm_dtype: Floating dtype of the norm's accumulator; None: the parameter's own.

    Returns:
        The transformation, with state `INDIANState`. Of traced hyperparameters only dtype and shape are checked.

    Raises:
        TypeError: A hyperparameter is not a number, ``norm`` no string, ``velocity_dtype`` or ``norm_dtype`` not a
            floating dtype of 16 bits or more, ``mask`` not made of bools, or ``norm_decay`` a bfloat16, in which the
            default is 1, with "rmsprop"; in ``update``, the state is another transformation's, or a schedule returns
            no number.
        ValueError: A hyperparameter is out of its range, or ``norm`` another string; in ``update``, ``params`` is
            missing, ``mask`` does not fit the parameters, or state, ``params`` or a gradient does not fit the others in
            structure or shape.

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
    check_choice("norm", norm, NORMS, optional=True)
    check_mask(mask)
    initial_speed = resolve_initial_speed(initial_speed, norm)
    learning_rate = resolve_learning_rate(learning_rate, norm)
    settings = Settings(
        learning_rate=learning_rate if callable(learning_rate) else _scalar("learning_rate", learning_rate),
        largest_step_size=largest_value(learning_rate),
        alpha=_scalar("alpha", alpha),
        beta=_scalar("beta", beta),
        initial_speed=None if initial_speed is None else _scalar("initial_speed", initial_speed),
        weight_decay=_scalar("weight_decay", DEFAULTS.weight_decay if weight_decay is None else weight_decay),
        mask=mask,
        norm=norm,
        norm_decay=_norm_decay(norm_decay, norm),
        norm_epsilon=_scalar("norm_epsilon", norm_epsilon),
        velocity_dtype=floating_dtype("velocity_dtype", velocity_dtype),
        norm_dtype=floating_dtype("norm_dtype", norm_dtype),
    )

    def init_fn(params: optax.Params) -> INDIANState:
        return INDIANState(
            count=jnp.zeros((), jnp.int32),
            velocity=jax.tree.map(partial(_zero_velocity, dtype=settings.velocity_dtype), params),
            accumulator=(
                None
                if settings.norm is None
                else jax.tree.map(partial(_zero_accumulator, dtype=settings.norm_dtype), params)
            ),
        )

    def update_fn(
        updates: optax.Updates, state: INDIANState, params: optax.Params | None = None, **extra_args: Any
    ) -> tuple[optax.Updates, INDIANState]:
        del extra_args
        trees = _trees_of_a_step(settings, updates, state, params)
        count = optax.safe_increment(state.count)
        step_in = step_coefficients(settings, state.count)
        norm_in = norm_coefficients(settings.norm, count, settings.norm_decay, settings.norm_epsilon)
        displacements, velocity, accumulator = step_leaves(trees, step_in, norm_in)
        return displacements, INDIANState(
            count=count, velocity=velocity, accumulator=None if settings.norm is None else accumulator
        )

    return optax.GradientTransformationExtraArgs(init_fn, update_fn)


inna = INNA = indian


def _scalar(name: str, value: Any) -> Scalar:
    return scalar(name, value, RANGES[name])


def _norm_decay(value: Any, norm: str | None) -> Scalar:
    """σ, checked. `optax.inject_hyperparams` may have rounded it to bfloat16, in which the default is 1."""
    if getattr(value, "dtype", None) != jnp.bfloat16:
        return _scalar("norm_decay", value)
    if norm is not None and NORMS[norm].depends_on_decay:
        raise TypeError(
            f"norm_decay must be {RANGES['norm_decay']}, not rounded to bfloat16; "
            "give optax.inject_hyperparams the hyperparam_dtype float32"
        )
    return value


def _zero_velocity(param: jax.typing.ArrayLike, dtype: Any) -> jax.Array:
    own = dtype is None or jnp.iscomplexobj(param)
    return jnp.zeros_like(param, dtype=inexact_dtype(param) if own else dtype)


def _zero_accumulator(param: jax.typing.ArrayLike, dtype: Any) -> jax.Array:
    own = jnp.finfo(inexact_dtype(param)).dtype
    return jnp.zeros_like(param, dtype=own if dtype is None else dtype)


def _trees_of_a_step(
    settings: Settings, updates: optax.Updates, state: INDIANState, params: optax.Params | None
) -> tuple[Any, Any, Any, Any]:
    """g, m, v and θ, checked; the leaves of v are None without a norm, those of θ where they do not decay."""
    if not isinstance(state, INDIANState):
        raise TypeError(f"state must be an INDIANState, as `init` returns it, got {type(state).__name__}")
    check_structure("state", state.velocity, "the gradients", updates)
    check_accumulator(state.accumulator, settings.norm, "the gradients", updates)
    accumulator = theta = jax.tree.map(lambda _: None, updates, is_leaf=is_none)
    if settings.norm is not None:
        accumulator = state.accumulator
    if settings.decays:
        if params is None:
            raise ValueError("params must be passed to update where weight_decay is not known to be 0, got None")
        check_structure("params", params, "the gradients", updates)
        decays = decay_mask(settings.mask, params)
        theta = jax.tree.map(lambda param, decays: param if decays else None, params, decays, is_leaf=is_none)
    return updates, state.velocity, accumulator, theta
