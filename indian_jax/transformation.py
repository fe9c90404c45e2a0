"""INDIAN as an `optax.GradientTransformation`, in the Euclidean norm or an adaptive one."""

from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax

from indian_core.dynamics import post_form
from indian_core.hyperparameters import DEFAULTS, RANGES, check_choice, resolve_initial_speed
from indian_core.norms import NORMS, norm_coefficients
from indian_jax.coefficients import in_dtype, step_coefficients
from indian_jax.decay_mask import Mask, check_mask, decay_mask
from indian_jax.hyperparameters import floating_dtype, scalar, scheduled
from indian_jax.leaf_step import Leaf, LeafStep, inexact_dtype, step_leaf
from indian_jax.matching_trees import check_structure, is_none
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
    learning_rate: optax.ScalarOrSchedule = DEFAULTS.learning_rate,
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
    needs ``params``. For complex parameters and, in a norm, for bfloat16 ones, give ``inject_hyperparams`` the
    ``hyperparam_dtype`` float32.

    Args:
        learning_rate: Step size γ >= 0, or a schedule, whose values are not checked.
        alpha: Viscous damping α >= 0.
        beta: Newton damping β > 0.
        initial_speed: s: the first step starts with velocity −s g. The paper uses 1. None: β, so that the part of it
            that the step remembers starts at 0. "auto": 1 without a norm, None in one.
        weight_decay: Decay rate λ >= 0, decoupled from the gradient; to first order in γ the penalty (λ/2β)‖θ‖². Where
            it is neither None nor known to be 0, ``update`` needs ``params``. None: the default, no decay.
        mask: Which parameters decay: a tree of bools with the parameters' structure or a prefix of it, or a function
            from the parameters to one; None: all.
        norm: The norm of the steps, "rmsprop" or "adagrad", see `indian_core.norms`; None: the Euclidean. The default
            learning rate is for no norm; with "rmsprop" give 0.001 to 0.01, or take `innaprop`.
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
    if not callable(learning_rate):
        learning_rate = scalar("learning_rate", learning_rate, RANGES["learning_rate"])
    alpha = scalar("alpha", alpha, RANGES["alpha"])
    beta = scalar("beta", beta, RANGES["beta"])
    initial_speed = resolve_initial_speed(initial_speed, norm)
    if initial_speed is not None:
        initial_speed = scalar("initial_speed", initial_speed, RANGES["initial_speed"])
    if weight_decay is None:
        weight_decay = DEFAULTS.weight_decay
    weight_decay = scalar("weight_decay", weight_decay, RANGES["weight_decay"])
    check_choice("norm", norm, NORMS, optional=True)
    # As `optax.inject_hyperparams` hands it over with bfloat16 parameters, the default is rounded to 1.
    if getattr(norm_decay, "dtype", None) != jnp.bfloat16:
        norm_decay = scalar("norm_decay", norm_decay, RANGES["norm_decay"])
    elif norm == "rmsprop":
        raise TypeError(
            f"norm_decay must be {RANGES['norm_decay']}, not rounded to bfloat16; "
            "give optax.inject_hyperparams the hyperparam_dtype float32"
        )
    norm_epsilon = scalar("norm_epsilon", norm_epsilon, RANGES["norm_epsilon"])
    velocity_dtype = floating_dtype("velocity_dtype", velocity_dtype)
    norm_dtype = floating_dtype("norm_dtype", norm_dtype)
    check_mask(mask)
    largest_step_size = largest_value(learning_rate)
    decays = isinstance(weight_decay, jax.Array) or weight_decay != 0

    def init_fn(params: optax.Params) -> INDIANState:
        def velocity(param: jax.typing.ArrayLike) -> jax.Array:
            own = velocity_dtype is None or jnp.iscomplexobj(param)
            return jnp.zeros_like(param, dtype=inexact_dtype(param) if own else velocity_dtype)

        def accumulator(param: jax.typing.ArrayLike) -> jax.Array:
            own = jnp.finfo(inexact_dtype(param)).dtype
            return jnp.zeros_like(param, dtype=own if norm_dtype is None else norm_dtype)

        return INDIANState(
            count=jnp.zeros((), jnp.int32),
            velocity=jax.tree.map(velocity, params),
            accumulator=None if norm is None else jax.tree.map(accumulator, params),
        )

    def update_fn(
        updates: optax.Updates, state: INDIANState, params: optax.Params | None = None, **extra_args: Any
    ) -> tuple[optax.Updates, INDIANState]:
        del extra_args
        if not isinstance(state, INDIANState):
            raise TypeError(f"state must be an INDIANState, as `init` returns it, got {type(state).__name__}")

        count = optax.safe_increment(state.count)
        step_size = learning_rate
        if callable(learning_rate):
            step_size = scheduled("learning_rate", learning_rate(state.count))
        form = partial(
            post_form, step_size, alpha, beta, initial_speed=initial_speed, largest_step_size=largest_step_size
        )
        first = state.count == 0
        with_decay = in_dtype(lambda: step_coefficients(partial(form, weight_decay=weight_decay), first))
        without_decay = in_dtype(lambda: step_coefficients(form, first))
        norm_in = in_dtype(lambda: norm_coefficients(norm, jnp.asarray(count, float), norm_decay, norm_epsilon, jnp))

        check_structure("state", state.velocity, "the gradients", updates)
        absent = jax.tree.map(lambda _: None, updates, is_leaf=is_none)
        accumulator = absent
        if norm is not None:
            check_structure("state", state.accumulator, "the gradients", updates)
            accumulator = state.accumulator
        if decays:
            if params is None:
                raise ValueError("params must be passed to update where weight_decay is not known to be 0, got None")
            check_structure("params", params, "the gradients", updates)
            leaf_decays = decay_mask(mask, params)
        else:
            # A leaf that does not decay does not need its parameters.
            params = leaf_decays = absent

        def step(path: Any, gradient: Any, velocity: Any, accumulator: Any, theta: Any, decays: Any) -> LeafStep:
            leaf = Leaf(gradient, velocity, accumulator, theta if decays else None)
            return step_leaf(path, leaf, with_decay if decays else without_decay, norm_in)

        steps = jax.tree.map_with_path(step, updates, state.velocity, accumulator, params, leaf_decays, is_leaf=is_none)
        next_state = INDIANState(
            count=count,
            velocity=jax.tree.map(lambda step: step.velocity, steps),
            accumulator=None if norm is None else jax.tree.map(lambda step: step.accumulator, steps),
        )
        return jax.tree.map(lambda step: step.displacement, steps), next_state

    return optax.GradientTransformationExtraArgs(init_fn, update_fn)


inna = INNA = indian
