"""The step of the trust region, with vectors of TensorFlow; the decisions are those of `indian_core.trust_region`."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import tensorflow as tf
from keras import ops

from indian_core import norms
from indian_core.trust_region import Hyperparameters, Termination, lanczos, model, steihaug
from indian_tf.trust_region_curvature import LocalModel

__all__ = ["Step", "eps_of", "solve"]

_Vector: TypeAlias = Any
_Product: TypeAlias = Callable[[_Vector], _Vector]


class Step(NamedTuple):
    """A solution of the subproblem; the scalars as in `indian_core.trust_region.Report`.

    Attributes:
        step: s, a vector.
        step_norm: ‖s‖.
        model_decrease: −(gᵀs + ½ sᵀBs).
        iterations: Of the method that found it.
        termination: How that method ended.
        negative_curvature: Whether it met a direction of curvature <= 0.
        products: With B, that were made.
    """

    step: _Vector
    step_norm: Any
    model_decrease: Any
    iterations: Any = 0
    termination: Any = int(Termination.CONVERGED)
    negative_curvature: Any = False
    products: Any = 0


def solve(local: LocalModel, diagonal: _Vector, radius: Any, chosen: Hyperparameters, loss_eps: float) -> Step:
    """The step that minimizes the model in the ellipsoid.

    Args:
        local: With its ``product``, unless ``chosen.curvature`` is ``"none"``.
        diagonal: A, a vector, or one number for all.
        radius: Δ, without a dimension.
        chosen: The hyperparameters.
        loss_eps: The distance from 1 to the next number in the dtype that the loss is known in.
    """
    if local.product is None:
        return _first_order(local, diagonal, radius)
    if chosen.subproblem == "steihaug":
        return _steihaug(local, local.product, diagonal, radius, chosen)
    return _lanczos(local, local.product, diagonal, radius, chosen, loss_eps)


def eps_of(tensor: Any) -> float:
    """The distance from 1 to the next number in the dtype of a tensor."""
    return float(np.finfo(tensor.dtype.as_numpy_dtype).eps)


def _first_order(local: LocalModel, diagonal: _Vector, radius: Any) -> Step:
    gradient_norm = norms.dual_norm(local.gradient, diagonal, ops)
    length = model.first_order_length(gradient_norm, radius, xp=ops)
    found = _measured(-length * norms.preconditioned(local.gradient, diagonal), None, local, diagonal, radius)
    end = ops.where(gradient_norm > 0, int(Termination.BOUNDARY), int(Termination.CONVERGED))
    return found._replace(termination=end)


def _steihaug(local: LocalModel, product: _Product, diagonal: _Vector, radius: Any, chosen: Hyperparameters) -> Step:
    gradient = local.gradient

    def iteration(state: Any, step: _Vector, residual: _Vector, direction: _Vector) -> Any:
        image = product(direction)
        before = state
        state, length = steihaug.step_length(
            state,
            norms.inner_product(direction, image, 1.0, ops),
            norms.inner_product(step, direction, diagonal, ops),
            norms.inner_product(direction, direction, diagonal, ops),
            radius,
            xp=ops,
        )
        step, residual = step + length * direction, residual + length * image
        preconditioned = norms.preconditioned(residual, diagonal)
        squared = norms.inner_product(residual, preconditioned, 1.0, ops)
        state, momentum = steihaug.next_direction(state, squared, chosen.max_iterations, xp=ops)
        return _like(before, state), step, residual, momentum * direction - preconditioned

    preconditioned = norms.preconditioned(gradient, diagonal)
    squared = norms.inner_product(gradient, preconditioned, 1.0, ops)
    state = _tensors(steihaug.start(squared, tolerance=chosen.tolerance, eps=eps_of(gradient), xp=ops), gradient.dtype)
    begun = (state, tf.zeros_like(gradient), gradient, -preconditioned)
    state, step, residual, _ = tf.while_loop(_runs, iteration, begun)
    return _measured(step, residual - gradient, local, diagonal, radius)._replace(
        iterations=state.iterations,
        termination=state.termination,
        negative_curvature=state.termination == int(Termination.NEGATIVE_CURVATURE),
        products=state.iterations,
    )


def _lanczos(
    local: LocalModel, product: _Product, diagonal: _Vector, radius: Any, chosen: Hyperparameters, loss_eps: float
) -> Step:
    gradient, eps = local.gradient, eps_of(local.gradient)

    def run(start: _Vector, gradient_norm: Any, wanted: Any) -> lanczos.LanczosState:
        def iteration(state: Any, before: _Vector, vector: _Vector, coupling: Any) -> Any:
            rest = norms.preconditioned(product(vector), diagonal) - coupling * before
            entry = norms.inner_product(rest, vector, diagonal, ops)
            rest = rest - entry * vector
            coupling = norms.norm(rest, diagonal, ops)
            extended = lanczos.extend(state, entry, coupling, radius, tolerance=chosen.tolerance, eps=eps, xp=ops)
            return _like(state, extended), vector, lanczos.normalized(coupling, xp=ops) * rest, coupling

        state = lanczos.start_lanczos(
            gradient_norm, chosen.max_iterations, tolerance=chosen.tolerance, eps=eps, wanted=wanted, xp=ops
        )
        begun = (_tensors(state, gradient.dtype), tf.zeros_like(start), start, 0 * gradient_norm)
        return tf.while_loop(_runs, iteration, begun)[0]

    gradient_norm = norms.dual_norm(gradient, diagonal, ops)
    start = lanczos.normalized(gradient_norm, xp=ops) * norms.preconditioned(gradient, diagonal)
    first = run(start, gradient_norm, gradient_norm != 0)
    probe = _probe(gradient, diagonal)
    second = run(probe, 0 * gradient_norm, lanczos.needs_probe(first, local.loss, eps=loss_eps, xp=ops))
    state, escaped = lanczos.choose(first, second, xp=ops)
    step, image = _combination(state, tf.where(escaped, probe, start), product, diagonal, radius, eps)
    iterations = first.iterations + second.iterations
    return _measured(step, image, local, diagonal, radius)._replace(
        iterations=iterations,
        termination=state.termination,
        negative_curvature=state.negative_curvature,
        products=iterations + state.iterations,
    )


def _combination(
    state: lanczos.LanczosState, start: _Vector, product: _Product, diagonal: _Vector, radius: Any, eps: float
) -> tuple[_Vector, _Vector]:
    """s and Bs, in a second run that makes the basis of the Krylov space again."""
    coefficients = lanczos.solution(state, radius, eps=eps, xp=ops).coefficients

    def iteration(j: Any, step: _Vector, before: _Vector, vector: _Vector, image: _Vector) -> Any:
        del image
        step = step + coefficients[j] * vector
        # The last product is that with the step.
        image = product(tf.where(j + 1 == state.iterations, step, vector))
        coupling = tf.where(j > 0, state.off_diagonal[tf.maximum(j - 1, 0)], tf.zeros_like(state.off_diagonal[0]))
        rest = norms.preconditioned(image, diagonal) - coupling * before - state.diagonal[j] * vector
        return j + 1, step, vector, lanczos.normalized(state.off_diagonal[j], xp=ops) * rest, image

    nothing = tf.zeros_like(start)
    begun = (tf.zeros_like(state.iterations), nothing, nothing, start, nothing)
    _, step, _, _, image = tf.while_loop(lambda j, *_: j < state.iterations, iteration, begun)
    return step, image


def _runs(state: Any, *_: Any) -> Any:
    return state.termination == int(Termination.RUNNING)


def _tensors(state: Any, dtype: Any) -> Any:
    """The state with every field a tensor of a dtype of its own kind, as a loop of TensorFlow needs it."""
    # The dtype that Keras gives to indices, with which iterations are compared, depends on its floatx.
    kinds = {"iterations": ops.arange(1).dtype, "termination": tf.int32, "negative_curvature": tf.bool}
    return type(state)(*(tf.cast(value, kinds.get(name, dtype)) for name, value in state._asdict().items()))


def _like(before: Any, after: Any) -> Any:
    """A state in the dtypes of another."""
    return type(after)(*(tf.cast(new, old.dtype) for new, old in zip(after, before, strict=True)))


def _probe(like: _Vector, diagonal: _Vector) -> _Vector:
    """A start that knows nothing of the gradient, of length 1 in the ellipsoid's norm."""
    probe = tf.cast(lanczos.probe(tf.range(tf.size(like))), like.dtype) / tf.sqrt(diagonal)
    return lanczos.normalized(norms.norm(probe, diagonal, ops), xp=ops) * probe


def _measured(step: _Vector, image: _Vector | None, local: LocalModel, diagonal: _Vector, radius: Any) -> Step:
    """The step, brought into the ellipsoid, and its decrease; ``image`` is Bs, None for no curvature."""
    slope = norms.inner_product(local.gradient, step, 1.0, ops)
    curvature = norms.inner_product(step, image, 1.0, ops) if image is not None else 0 * slope
    step_norm = norms.norm(step, diagonal, ops)
    multiple = model.admissible_multiple(step_norm, slope, radius, eps=eps_of(step), xp=ops)
    return Step(
        step=multiple * step,
        step_norm=tf.abs(multiple) * step_norm,
        model_decrease=model.model_decrease(multiple * slope, multiple * multiple * curvature),
    )
