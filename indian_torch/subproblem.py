"""The step of the trust region, with vectors of PyTorch; the decisions are those of `indian_core.trust_region`.

Vectors stay on the parameters' device. The scalars of a decision come to the host, together: Python computes with its
own numbers in a fraction of the time that operations on tensors without dimensions take.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from indian_core import norms
from indian_core.trust_region import Hyperparameters, Termination, lanczos, model, plain_numbers, steihaug
from indian_torch.curvature import LocalModel

__all__ = ["Step", "numbers", "solve"]

Product: TypeAlias = Callable[[Tensor], Tensor]


class Step(NamedTuple):
    """A solution of the subproblem; the scalars as in `indian_core.trust_region.Report`.

    Attributes:
        step: s, a vector.
        step_norm: ‖s‖.
        gradient_norm: ‖g‖.
        model_decrease: −(gᵀs + ½ sᵀBs).
        iterations: Of the method that found it.
        termination: How that method ended.
        negative_curvature: Whether it met a direction of curvature <= 0.
        products: With B, that were made.
    """

    step: Tensor
    step_norm: float
    gradient_norm: float
    model_decrease: float
    iterations: int = 0
    termination: Termination = Termination.CONVERGED
    negative_curvature: bool = False
    products: int = 0


def numbers(*scalars: Tensor) -> list[float]:
    """Tensors without dimensions as Python numbers, for which their device is waited for once."""
    return torch.stack(scalars).tolist()


def solve(local: LocalModel, diagonal: Tensor, radius: float, chosen: Hyperparameters) -> Step:
    """The step that minimizes the model in the ellipsoid.

    Args:
        local: With its ``product``, unless ``chosen.curvature`` is ``"none"``.
        diagonal: A, a vector, or one number for all.
        radius: Δ.
        chosen: The hyperparameters.
    """
    if local.product is None:
        return _first_order(local, diagonal, radius)
    method = _steihaug if chosen.subproblem == "steihaug" else _lanczos
    return method(local, local.product, diagonal, radius, chosen)


def _first_order(local: LocalModel, diagonal: Tensor, radius: float) -> Step:
    steepest = norms.preconditioned(local.gradient, diagonal)
    gradient_norm = _root(torch.dot(local.gradient, steepest))
    length = model.first_order_length(gradient_norm, radius, xp=plain_numbers)
    end = Termination.BOUNDARY if gradient_norm > 0 else Termination.CONVERGED
    return _measured(steepest.mul_(-length), None, local, diagonal, radius, gradient_norm)._replace(termination=end)


def _steihaug(local: LocalModel, product: Product, diagonal: Tensor, radius: float, chosen: Hyperparameters) -> Step:
    step, residual = torch.zeros_like(local.gradient), local.gradient.clone()
    preconditioned = norms.preconditioned(residual, diagonal)
    direction = -preconditioned
    squared = torch.dot(residual, preconditioned).item()
    gradient_norm = plain_numbers.sqrt(squared)
    state = steihaug.start(squared, tolerance=chosen.tolerance, eps=_eps(residual), xp=plain_numbers)
    while state.termination == Termination.RUNNING:
        image, scaled = product(direction), diagonal * direction
        curvature, along, squared = numbers(
            torch.dot(direction, image), torch.dot(step, scaled), torch.dot(direction, scaled)
        )
        state, length = steihaug.step_length(state, curvature, along, squared, radius, xp=plain_numbers)
        step.add_(direction, alpha=length)
        residual.add_(image, alpha=length)
        # They would else live through the next product.
        del image, scaled
        preconditioned = norms.preconditioned(residual, diagonal)
        squared = torch.dot(residual, preconditioned).item()
        state, momentum = steihaug.next_direction(state, squared, chosen.max_iterations, xp=plain_numbers)
        direction.mul_(momentum).sub_(preconditioned)
    return _measured(step, residual.sub_(local.gradient), local, diagonal, radius, gradient_norm)._replace(
        iterations=state.iterations,
        termination=Termination(state.termination),
        negative_curvature=state.termination == Termination.NEGATIVE_CURVATURE,
        products=state.iterations,
    )


def _lanczos(local: LocalModel, product: Product, diagonal: Tensor, radius: float, chosen: Hyperparameters) -> Step:
    gradient, eps = local.gradient, _eps(local.gradient)

    def run(start: Tensor, gradient_norm: float, wanted: bool) -> lanczos.LanczosState:
        state = lanczos.start_lanczos(
            gradient_norm, chosen.max_iterations, tolerance=chosen.tolerance, eps=eps, wanted=wanted
        )
        before, vector, coupling = torch.zeros_like(start), start, 0.0
        while state.termination == Termination.RUNNING:
            rest = norms.preconditioned(product(vector), diagonal).sub_(before, alpha=coupling)
            entry = torch.dot(rest, diagonal * vector)
            rest.addcmul_(vector, entry, value=-1)
            along, squared = numbers(entry, torch.dot(rest, diagonal * rest))
            coupling = plain_numbers.sqrt(squared)
            state = lanczos.extend(state, along, coupling, radius, tolerance=chosen.tolerance, eps=eps)
            before, vector = vector, rest.mul_(lanczos.normalized(coupling, xp=plain_numbers))
        return state

    start = norms.preconditioned(gradient, diagonal)
    gradient_norm = _root(torch.dot(gradient, start))
    start.mul_(lanczos.normalized(gradient_norm, xp=plain_numbers))
    first = run(start, gradient_norm, gradient_norm != 0)
    wanted = bool(lanczos.needs_probe(first, local.loss.item(), eps=local.loss_eps))
    probe = _probe(gradient, diagonal) if wanted else start
    second = run(probe, 0.0, wanted)
    state, escaped = lanczos.choose(first, second)
    coefficients = lanczos.solution(state, radius, eps=eps).coefficients.tolist()
    entries, couplings = state.diagonal.tolist(), [0.0, *state.off_diagonal.tolist()]

    step, before, vector = torch.zeros_like(gradient), torch.zeros_like(gradient), probe if escaped else start
    for j in range(int(state.iterations)):
        step.add_(vector, alpha=coefficients[j])
        if j + 1 < state.iterations:
            rest = norms.preconditioned(product(vector), diagonal).sub_(before, alpha=couplings[j])
            rest.sub_(vector, alpha=entries[j])
            before, vector = vector, rest.mul_(lanczos.normalized(couplings[j + 1], xp=plain_numbers))
    image = product(step) if state.iterations > 0 else None
    iterations = int(first.iterations + second.iterations)
    return _measured(step, image, local, diagonal, radius, gradient_norm)._replace(
        iterations=iterations,
        termination=Termination(int(state.termination)),
        negative_curvature=bool(state.negative_curvature),
        products=iterations + int(state.iterations),
    )


def _probe(like: Tensor, diagonal: Tensor) -> Tensor:
    """A start that knows nothing of the gradient, of length 1 in the ellipsoid's norm."""
    probe = lanczos.probe(torch.arange(like.numel(), device=like.device)).to(like.dtype) / torch.sqrt(diagonal)
    return probe.mul_(lanczos.normalized(_root(torch.dot(probe, diagonal * probe)), xp=plain_numbers))


def _measured(
    step: Tensor, image: Tensor | None, local: LocalModel, diagonal: Tensor, radius: float, gradient_norm: float
) -> Step:
    """The step, brought into the ellipsoid, and its decrease; ``image`` is Bs, None for no curvature."""
    slope, squared, curvature = numbers(
        torch.dot(local.gradient, step),
        torch.dot(step, diagonal * step),
        torch.dot(step, torch.zeros_like(step) if image is None else image),
    )
    step_norm = plain_numbers.sqrt(squared)
    multiple = model.admissible_multiple(step_norm, slope, radius, eps=_eps(step), xp=plain_numbers)
    return Step(
        step=step.mul_(multiple),
        step_norm=step_norm * abs(multiple),
        gradient_norm=gradient_norm,
        model_decrease=model.model_decrease(multiple * slope, multiple * multiple * curvature),
    )


def _root(squared: Tensor) -> float:
    return plain_numbers.sqrt(squared.item())


def _eps(tensor: Tensor) -> float:
    return torch.finfo(tensor.dtype).eps
