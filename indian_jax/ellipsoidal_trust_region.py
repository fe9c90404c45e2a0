"""The ellipsoidal trust region as an `optax.GradientTransformationExtraArgs`."""

import sys
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import jax
import jax.numpy as jnp
import optax

from indian_core import norms
from indian_core.hyperparameters import check_shape
from indian_core.trust_region import DEFAULTS, Report, Settings, check
from indian_core.trust_region.problem import Problem
from indian_core.trust_region.radius import judge
from indian_core.trust_region.report import report_of_step
from indian_core.trust_region.settings import RANGES
from indian_core.trust_region.subproblem import solve
from indian_jax._arguments.scalars import scalar
from indian_jax._arguments.trees import check_accumulator, check_structure
from indian_jax._trust_region.composite_loss import bind
from indian_jax._trust_region.curvature import curvature_product
from indian_jax._trust_region.space import TreeSpace, zeros_like
from indian_jax._trust_region.value_function import check_scalar, check_value_fn

__all__ = ["TrustRegionState", "trust_region"]


class TrustRegionState(NamedTuple):
    """State of `trust_region`.

    Attributes:
        count: Number of accepted steps, whose gradients the norm has taken in, an int32 scalar.
        accumulator: v of the norm, a tree like the parameters; zero before the first step. None for the Euclidean norm.
        report: What happened in the last step, an `indian_core.trust_region.Report` of scalars; its ``radius`` is Δ for
            the next step, its ``backpropagations`` those of all steps so far. Before the first step the other numbers
            are 0.
    """

    count: jax.Array  # type: ignore[assignment]  # tuple.count
    accumulator: optax.Params | None
    report: Report


def trust_region(
    *,
    norm: str | None = DEFAULTS.norm,
    curvature: str = DEFAULTS.curvature,
    subproblem: str = DEFAULTS.subproblem,
    radius: jax.typing.ArrayLike = DEFAULTS.radius,
    max_radius: jax.typing.ArrayLike = DEFAULTS.max_radius,
    accept_ratio: jax.typing.ArrayLike = DEFAULTS.accept_ratio,
    expand_ratio: jax.typing.ArrayLike = DEFAULTS.expand_ratio,
    expand_factor: jax.typing.ArrayLike = DEFAULTS.expand_factor,
    shrink_factor: jax.typing.ArrayLike | None = DEFAULTS.shrink_factor,
    tolerance: jax.typing.ArrayLike = DEFAULTS.tolerance,
    max_iterations: int = DEFAULTS.max_iterations,
    norm_decay: jax.typing.ArrayLike = DEFAULTS.norm_decay,
    norm_epsilon: jax.typing.ArrayLike = DEFAULTS.norm_epsilon,
) -> optax.GradientTransformationExtraArgs:
    r"""The ellipsoidal trust region: a Newton method whose steps stay in the ellipsoids of RMSProp or AdaGrad.

    At parameters :math:`w`, with gradient :math:`g`, curvature :math:`B` and the positive diagonal :math:`A` of a norm
    (see `indian_core.norms`), a step is

    .. math::
        s \approx \arg\min_s\; g^\top s + \tfrac12 s^\top B s \quad\text{subject to}\quad \sqrt{s^\top A s} \le \Delta,

    accepted if the loss falls by enough of what the quadratic model promises; the radius :math:`\Delta` follows.
    Source: Kohler, Adolphs, Lucchi, "Adaptive norms for deep learning with regularized Newton methods" (2019). It suits
    small and medium networks, full batches, and problems so ill-conditioned that first-order methods stall. A step
    costs a gradient and a product with the curvature, about the price of a gradient, for each iteration.

    It is used as `optax.lbfgs` is: ``update`` takes, by name, ``value`` and ``grad``, the loss and its gradient at
    ``params``; ``value_fn``, from which both came; and its keyword arguments, such as the batch. ``value_fn`` is
    evaluated at the trial point and must be the same function there: give it the same batch, and random keys as
    arguments. The updates are the step, for `optax.apply_updates`; after a rejected step they are exact zeros, and
    nothing in the state has changed but the report with its radius and its count of backpropagations. Have the step in
    `jax.jit`: every call outside of it compiles its loop again.

    The step is that of ``grad`` alone. What earlier transformations of a chain have made of the updates is not used,
    since the model would then be of another function than ``value_fn``: penalties belong in there, and a radius needs
    no clipping. A later transformation that changes the step makes it another one than was judged. A parameter that is
    None stays out of everything, and so does one that `optax.masked` has masked out, which needs its option
    ``mask_compatible_extra_args``; ``value_fn`` gets the tree as it is then.

    Parameters on several devices stay where they are; the inner products are sums over all of them. Memory beside the
    parameters: the norm's accumulator is the state. While the step is sought, there are six trees of the size of the
    parameters, g, s, r, d, Bd and A, and then the trial point; with ``"lanczos"`` g, A, s, q, the q before and Bq, and
    copies of them in the two loops, eleven in all. Their number does not depend on that of the iterations. The
    derivative of the gradient at w lives as long, with about twice the activations that a single product needs.

    With `optax.inject_hyperparams`, name what is no array, and the first radius: ``static_args=("max_iterations",
    "radius")``. To set the radius of a running optimization, use `optax.tree.set`.

    Args:
        norm: The shape of the ellipsoid: ``"rmsprop"``, ``"adagrad"``, or None for a ball.
        curvature: ``"hessian"``; ``"gauss_newton"``, for which ``value_fn`` is a `CompositeLoss`; or ``"none"`` for the
            first-order method.
        subproblem: How the step is found: ``"steihaug"``, conjugate gradients, or ``"lanczos"``, which costs about
            twice as many products and escapes saddles.
        radius: Δ₀ > 0, the first radius. The default is the paper's; for runs of some hundred steps try 0.1.
        max_radius: Δ_max >= Δ₀.
        accept_ratio: η₁ in [0, 1]: a step of a smaller ratio of real to promised decrease is rejected.
        expand_ratio: η₂ in [η₁, 1]: after a step of a greater ratio the radius grows.
        expand_factor: γ₁ >= 1, by which it grows.
        shrink_factor: γ₂ > 1, by which it shrinks after a rejected step. None: 1.5, with ``"rmsprop"`` 1.75.
        tolerance: κ in (0, 1]: the residual falls to ‖g‖ min(κ, ‖g‖).
        max_iterations: Iterations of the subproblem at most, >= 1; a Python integer.
        norm_decay: σ of RMSProp, in [0, 1).
        norm_epsilon: ε > 0 of the norm.

    Returns:
        The transformation, with state `TrustRegionState`. Of traced hyperparameters only dtype and shape are checked.

    Raises:
        TypeError: A hyperparameter is of the wrong type; in ``init`` and ``update``, a parameter is not float32 or
            float64 (``value_fn`` may compute in another dtype, but a step in bfloat16 would not be the one that was
            judged); in ``update``, ``value``, ``grad`` or ``value_fn`` is missing, ``value_fn`` lacks a keyword
            argument, gives no real number, or something in it has no second derivative.
        ValueError: A hyperparameter is out of its range; in ``update``, ``params`` is missing, ``grad`` or the state
            does not fit them, a value is not a scalar, or ``value_fn`` does not depend on the parameters.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> import optax
        >>> from indian_jax import trust_region
        >>> tx = trust_region(norm=None, radius=1.0)
        >>> def loss(params, target):
        ...     return jnp.sum((params - target) ** 4)
        >>> @jax.jit
        ... def step(params, state, target):
        ...     value, grad = jax.value_and_grad(loss)(params, target)
        ...     updates, state = tx.update(
        ...         grad, state, params, value=value, grad=grad, value_fn=loss, target=target
        ...     )
        ...     return optax.apply_updates(params, updates), state
        >>> params = jnp.zeros(2)
        >>> state = tx.init(params)
        >>> for _ in range(3):
        ...     params, state = step(params, state, jnp.ones(2))
        >>> bool(state.report.accepted), int(state.report.backpropagations)
        (True, 6)
    """
    settings = _checked(
        norm=norm,
        curvature=curvature,
        subproblem=subproblem,
        radius=radius,
        max_radius=max_radius,
        accept_ratio=accept_ratio,
        expand_ratio=expand_ratio,
        expand_factor=expand_factor,
        shrink_factor=shrink_factor,
        tolerance=tolerance,
        max_iterations=max_iterations,
        norm_decay=norm_decay,
        norm_epsilon=norm_epsilon,
    )

    def init_fn(params: optax.Params) -> TrustRegionState:
        dtype = _scalar_dtype(params)
        accumulator = None if settings.norm is None else jax.tree.map(jnp.zeros_like, params)
        return TrustRegionState(jnp.zeros((), jnp.int32), accumulator, _first_report(settings.radius, dtype))

    def update_fn(
        updates: optax.Updates,
        state: TrustRegionState,
        params: optax.Params | None = None,
        *,
        value: jax.typing.ArrayLike,
        grad: optax.Updates,
        value_fn: Callable[..., jax.typing.ArrayLike],
        **extra_args: Any,
    ) -> tuple[optax.Updates, TrustRegionState]:
        del updates
        if not isinstance(state, TrustRegionState):
            raise TypeError(f"state must be a TrustRegionState, as `init` returns it, got {type(state).__name__}")
        params, gradient = _checked_trees(params, grad, state.accumulator, settings.norm)
        check_scalar("value", value)
        (bound,) = bind((value_fn,), extra_args)
        check_value_fn(bound, params)
        product = curvature_product(settings.curvature, value_fn, extra_args, params)

        dtype = _scalar_dtype(params)
        own = _in_dtype(settings, dtype)
        count = jnp.asarray(state.count + 1, float)
        coefficients = norms.norm_coefficients(own.norm, count, own.norm_decay, own.norm_epsilon, jnp)
        accumulator = _accumulated(state.accumulator, gradient, coefficients)
        loss, leaves = jnp.asarray(value), jax.tree.leaves(params)
        loss_eps, radius = _eps(loss, *leaves), state.report.radius
        space = TreeSpace(_diagonal(accumulator, gradient, coefficients), dtype, _eps(*leaves))
        problem = Problem(gradient, product, radius, loss, loss_eps, own.tolerance, own.max_iterations)
        solution = solve(problem, space, own.subproblem)
        trial_loss = jnp.asarray(bound(jax.tree.map(jnp.add, params, solution.step)))
        verdict = judge(
            loss.astype(jnp.promote_types(loss.dtype, dtype)),
            trial_loss.astype(jnp.promote_types(trial_loss.dtype, dtype)),
            solution.model_decrease,
            radius,
            solution.termination,
            own,
            eps=max(loss_eps, _eps(trial_loss)),
            xp=jnp,
        )

        report = report_of_step(loss, trial_loss, solution, verdict, state.report.backpropagations)

        def kept(new: Any, old: Any) -> Any:
            return jax.tree.map(lambda a, b: jnp.where(verdict.accepted, a, b), new, old)

        return kept(solution.step, zeros_like(solution.step)), TrustRegionState(
            count=jnp.where(verdict.accepted, optax.safe_increment(state.count), state.count),
            accumulator=kept(accumulator, state.accumulator),
            report=_in_dtypes_of(state.report, report),
        )

    return optax.GradientTransformationExtraArgs(init_fn, update_fn)


_LEAST_STRICT: Final = {
    "radius": sys.float_info.min,
    "max_radius": sys.float_info.max,
    "accept_ratio": 0.0,
    "expand_ratio": 1.0,
}
"""Values of hyperparameters that no other hyperparameter is out of range for."""


def _checked(**given: Any) -> Settings:
    """The settings, checked; of traced values only dtype and shape are."""
    if isinstance(given["max_iterations"], jax.Array):
        raise TypeError(
            f"max_iterations must be a Python integer, got {given['max_iterations']}; with optax.inject_hyperparams, "
            "name it in static_args"
        )
    traced: dict[str, Any] = {
        name: scalar(name, given[name], allowed)
        for name, allowed in RANGES.items()
        if isinstance(given[name], jax.core.Tracer)
    }
    known = given | {name: _LEAST_STRICT.get(name, getattr(DEFAULTS, name)) for name in traced}
    return check(Settings(**known))._replace(**traced)


def _in_dtype(settings: Settings, dtype: Any) -> Settings:
    """The settings with traced values in the dtype of the scalars, since they are not weakly typed."""
    traced: dict[str, Any] = {
        name: value.astype(dtype) for name, value in settings._asdict().items() if isinstance(value, jax.Array)
    }
    return settings._replace(**traced)


def _scalar_dtype(params: optax.Params) -> Any:
    """The dtype of radius, norms and losses: float64 if a parameter is."""
    dtypes = {
        jax.tree_util.keystr(path): jnp.result_type(leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(params)
    }
    for path, dtype in dtypes.items():
        if dtype not in (jnp.float32, jnp.float64):
            raise TypeError(
                f"params{path} must be of dtype float32 or float64, got {dtype}; value_fn may compute in another one"
            )
    return jnp.result_type(jnp.float32, *dtypes.values())


def _checked_trees(
    params: optax.Params | None, grad: optax.Updates, accumulator: optax.Params | None, norm: str | None
) -> tuple[optax.Params, optax.Updates]:
    """Parameters, and the gradient in their dtypes."""
    if params is None:
        raise ValueError("params must be passed to update, got None")
    check_structure("grad", grad, "params", params)
    check_accumulator(accumulator, norm, "params", params)
    _scalar_dtype(params)
    params = jax.tree.map(jnp.asarray, params)

    def like(path: Any, gradient: Any, param: jax.Array) -> jax.Array:
        check_shape(f"grad{jax.tree_util.keystr(path)}", jnp.shape(gradient), param.shape)
        return jnp.asarray(gradient, param.dtype)

    def check_leaf(path: Any, v: Any, param: jax.Array) -> None:
        check_shape(f"accumulator{jax.tree_util.keystr(path)} of the state", jnp.shape(v), param.shape)

    if accumulator is not None:
        jax.tree_util.tree_map_with_path(check_leaf, accumulator, params)
    return params, jax.tree_util.tree_map_with_path(like, grad, params)


def _accumulated(
    accumulator: optax.Params | None, gradient: optax.Updates, coefficients: norms.NormCoefficients
) -> optax.Params | None:
    """v⁺."""
    return (
        jax.tree.map(lambda v, g: norms.accumulate(v, g, _for_leaf(coefficients, g)), accumulator, gradient)
        if accumulator is not None
        else None
    )


def _diagonal(
    accumulator: optax.Params | None, gradient: optax.Updates, coefficients: norms.NormCoefficients
) -> optax.Params:
    """A."""
    if accumulator is None:
        return jax.tree.map(lambda _: norms.scale(None, coefficients), gradient)
    return jax.tree.map(lambda v: norms.scale(v, _for_leaf(coefficients, v), jnp), accumulator)


def _for_leaf(coefficients: norms.NormCoefficients, leaf: jax.Array) -> norms.NormCoefficients:
    """The coefficients with those that are traced in the dtype of a leaf."""
    return norms.NormCoefficients(*(c.astype(leaf.dtype) if isinstance(c, jax.Array) else c for c in coefficients))


def _eps(*arrays: jax.Array) -> float:
    """The distance from 1 to the next number in the least precise of the dtypes."""
    return max((float(jnp.finfo(array.dtype).eps) for array in arrays), default=0.0)


def _first_report(radius: jax.typing.ArrayLike, dtype: Any) -> Report:
    """The report before the first step: zeros, each an array of its own, so that the state can be donated."""
    whole, flags = (
        ("iterations", "termination", "backpropagations"),
        ("accepted", "within_rounding", "negative_curvature"),
    )
    kinds = dict.fromkeys(Report._fields, dtype) | dict.fromkeys(whole, jnp.int32) | dict.fromkeys(flags, bool)
    zeros = Report(**{name: jnp.zeros((), kind) for name, kind in kinds.items()})
    return zeros._replace(radius=jnp.array(radius, dtype))


def _in_dtypes_of(before: Report, report: Report) -> Report:
    return jax.tree.map(lambda new, old: jnp.asarray(new, old.dtype), report, before)
