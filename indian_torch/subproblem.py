"""The step of the trust region, with vectors of PyTorch; the decisions are those of `indian_core.trust_region`.

Everything stays on the parameters' device; a search waits for it once in an iteration, to see whether to go on.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor

from indian_core import norms
from indian_core.trust_region import Hyperparameters, Termination, lanczos, model, plain_numbers, steihaug
from indian_torch.curvature import LocalModel

__all__ = ["Step", "solve"]

Product: TypeAlias = Callable[[Tensor], Tensor]


class Step(NamedTuple):
    """A solution of the subproblem; scalars are tensors, or numbers.

    Attributes:
        step: s, a vector.
        step_norm: ‖s‖.
        model_decrease: −(gᵀs + ½ sᵀBs).
        iterations: Of the method that found it.
        termination: A `Termination`.
        negative_curvature: Whether the method met a direction of curvature <= 0.
        products: With B, that were made.
    """

    step: Tensor
    step_norm: Any
    model_decrease: Any
    iterations: Any
    termination: Any
    negative_curvature: Any
    products: Any


def solve(local: LocalModel, diagonal: Tensor, radius: Tensor, chosen: Hyperparameters) -> Step:
    """The step that minimizes the model in the ellipsoid.

    Args:
        local: With its ``product``, unless ``chosen.curvature`` is ``"none"``.
        diagonal: A, a vector, or one number for all.
        radius: Δ, without a dimension.
        chosen: The hyperparameters.
    """
    if local.product is None:
        return _first_order(local, diagonal, radius)
    return (_steihaug if chosen.subproblem == "steihaug" else _lanczos)(local, diagonal, radius, chosen)


def _first_order(local: LocalModel, diagonal: Tensor, radius: Tensor) -> Step:
    gradient_norm = norms.dual_norm(local.gradient, diagonal, torch)
    length = model.first_order_length(gradient_norm, radius, xp=torch)
    end = torch.where(gradient_norm > 0, int(Termination.BOUNDARY), int(Termination.CONVERGED))
    return _measured(-length * norms.preconditioned(local.gradient, diagonal), None, local, diagonal, radius)._replace(
        termination=end
    )


def _steihaug(local: LocalModel, diagonal: Tensor, radius: Tensor, chosen: Hyperparameters) -> Step:
    assert local.product is not None
    step, residual = torch.zeros_like(local.gradient), local.gradient.clone()
    preconditioned = norms.preconditioned(residual, diagonal)
    direction = -preconditioned
    xp, scalar = _scalars(radius.device)
    bound = scalar(radius)
    state = steihaug.start(
        scalar(torch.dot(residual, preconditioned)), tolerance=chosen.tolerance, eps=_eps(residual), xp=xp
    )
    while state.termination == Termination.RUNNING:
        image, scaled = local.product(direction), diagonal * direction
        curvature, along, squared = torch.dot(direction, image), torch.dot(step, scaled), torch.dot(direction, scaled)
        state, length = steihaug.step_length(state, scalar(curvature), scalar(along), scalar(squared), bound, xp=xp)
        _add_multiple(step, direction, length)
        _add_multiple(residual, image, length)
        # They would else live through the next product.
        del image, scaled
        preconditioned = norms.preconditioned(residual, diagonal)
        squared = scalar(torch.dot(residual, preconditioned))
        state, momentum = steihaug.next_direction(state, squared, chosen.max_iterations, xp=xp)
        direction.mul_(momentum).sub_(preconditioned)
    return _measured(step, residual - local.gradient, local, diagonal, radius)._replace(
        iterations=state.iterations,
        termination=state.termination,
        negative_curvature=state.termination == Termination.NEGATIVE_CURVATURE,
        products=state.iterations,
    )


def _lanczos(local: LocalModel, diagonal: Tensor, radius: Tensor, chosen: Hyperparameters) -> Step:
    """The small problem is solved on the host, with the scalars that have come there to decide whether to go on."""
    assert local.product is not None
    gradient, product, eps, on_host = local.gradient, local.product, _eps(local.gradient), radius.item()

    def run(start: Tensor, gradient_norm: float, wanted: Any) -> lanczos.LanczosState:
        state = lanczos.start_lanczos(
            np.float64(gradient_norm), chosen.max_iterations, tolerance=chosen.tolerance, eps=eps, wanted=wanted
        )
        before, vector, coupling = torch.zeros_like(start), start, 0.0
        while state.termination == Termination.RUNNING:
            rest = norms.preconditioned(product(vector), diagonal).sub_(before, alpha=float(coupling))
            entry = norms.inner_product(rest, vector, diagonal, torch)
            rest.addcmul_(vector, entry, value=-1)
            entry, coupling = torch.stack([entry, norms.norm(rest, diagonal, torch)]).tolist()
            state = lanczos.extend(
                state, np.float64(entry), np.float64(coupling), on_host, tolerance=chosen.tolerance, eps=eps
            )
            before, vector = vector, rest.mul_(float(lanczos.normalized(coupling)))
        return state

    gradient_norm = norms.dual_norm(gradient, diagonal, torch).item()
    start = norms.preconditioned(gradient, diagonal).mul_(float(lanczos.normalized(gradient_norm)))
    first = run(start, gradient_norm, gradient_norm != 0)
    wanted = bool(lanczos.needs_probe(first, np.float64(local.loss.item()), eps=_eps(local.loss)))
    probe = _probe(gradient, diagonal) if wanted else start
    second = run(probe, 0.0, wanted)
    state, escaped = lanczos.choose(first, second)
    coefficients = lanczos.solution(state, on_host, eps=eps).coefficients.tolist()

    step, before, vector = torch.zeros_like(gradient), torch.zeros_like(gradient), probe if escaped else start
    for j in range(int(state.iterations)):
        step.add_(vector, alpha=coefficients[j])
        if j + 1 < state.iterations:
            coupling = float(state.off_diagonal[j - 1]) if j > 0 else 0.0
            rest = norms.preconditioned(product(vector), diagonal).sub_(before, alpha=coupling)
            rest.sub_(vector, alpha=float(state.diagonal[j]))
            before, vector = vector, rest.mul_(float(lanczos.normalized(state.off_diagonal[j])))
    iterations = int(first.iterations + second.iterations)
    return _measured(step, product(step) if state.iterations > 0 else None, local, diagonal, radius)._replace(
        iterations=iterations,
        termination=int(state.termination),
        negative_curvature=bool(state.negative_curvature),
        products=iterations + int(state.iterations),
    )


def _scalars(device: torch.device) -> tuple[Any, Callable[[Tensor], Any]]:
    """The namespace in which to decide, and how a tensor without a dimension gets there.

    On the CPU, as numbers, at a tenth of the time. Elsewhere they stay tensors, since to read one is to wait for it.
    """
    return (plain_numbers, Tensor.item) if device.type == "cpu" else (torch, lambda tensor: tensor)


def _add_multiple(vector: Tensor, other: Tensor, factor: Any) -> None:
    if isinstance(factor, Tensor):
        vector.addcmul_(other, factor)
    else:
        vector.add_(other, alpha=factor)


def _probe(like: Tensor, diagonal: Tensor) -> Tensor:
    """A start that knows nothing of the gradient, of length 1 in the ellipsoid's norm."""
    numbers = lanczos.probe(torch.arange(like.numel(), device=like.device)).to(like.dtype)
    probe = numbers / torch.sqrt(diagonal)
    return probe.mul_(lanczos.normalized(norms.norm(probe, diagonal, torch), xp=torch))


def _measured(step: Tensor, image: Tensor | None, local: LocalModel, diagonal: Tensor, radius: Tensor) -> Step:
    """The step, brought into the ellipsoid, and its decrease; ``image`` is Bs, None for no curvature."""
    slope = torch.dot(local.gradient, step)
    curvature = torch.dot(step, image) if image is not None else torch.zeros_like(slope)
    step_norm = norms.norm(step, diagonal, torch)
    multiple = model.admissible_multiple(step_norm, slope, radius, eps=_eps(step), xp=torch)
    return Step(
        step=step.mul_(multiple),
        step_norm=step_norm * torch.abs(multiple),
        model_decrease=model.model_decrease(multiple * slope, multiple * multiple * curvature),
        iterations=0,
        termination=int(Termination.CONVERGED),
        negative_curvature=False,
        products=0,
    )


def _eps(tensor: Tensor) -> float:
    return torch.finfo(tensor.dtype).eps
