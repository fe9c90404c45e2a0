"""The ellipsoidal trust region as a `torch.optim.Optimizer`."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from indian_core import norms
from indian_core.trust_region import DEFAULTS, Settings, check, plain_numbers
from indian_core.trust_region.problem import Problem
from indian_core.trust_region.radius import judge
from indian_core.trust_region.report import plain_report
from indian_core.trust_region.subproblem import solve
from indian_torch._optimizer.names import refuses_other_names
from indian_torch._trust_region.curvature import differentiate, loss_of
from indian_torch._trust_region.flat_layout import FlatLayout
from indian_torch._trust_region.space import TorchSpace
from indian_torch._trust_region.state import TrustRegionState
from indian_torch._trust_region.trial import casts_forgotten, kept_unless_accepted, random_numbers_kept

__all__ = ["TrustRegion"]


class TrustRegion(TrustRegionState):
    r"""The ellipsoidal trust region: a Newton method whose steps stay in the ellipsoids of RMSProp or AdaGrad.

    At parameters :math:`w`, with gradient :math:`g`, curvature :math:`B` and the positive diagonal :math:`A` of a norm
    (see `indian_core.norms`), a step is

    .. math::
        s \approx \arg\min_s\; g^\top s + \tfrac12 s^\top B s \quad\text{subject to}\quad \sqrt{s^\top A s} \le \Delta,

    accepted if the loss falls by enough of what the quadratic model promises; the radius :math:`\Delta` follows.
    Source: Kohler, Adolphs, Lucchi, "Adaptive norms for deep learning with regularized Newton methods" (2019).

    It suits small and medium networks, full batches, and problems so ill-conditioned that first-order methods stall. A
    step costs a gradient and a product with the curvature, about the price of a gradient, for each iteration.

    A batch's loss and its loss at the trial point must be the same function: the closure is called at both, with the
    same random numbers of PyTorch, and without the casts of weights that `torch.autocast` has cached. If the reports of
    the steps say that it is not the same, one `UserWarning` names the likely cause. Layers that change as they are
    evaluated, as batch normalization does its running statistics, see the batch twice.

    Memory beside the parameters: the norm's accumulator, which is the state; while the step is sought, six vectors of
    the size of the parameters, g, s, r, d, Bd and A (with ``"lanczos"`` g, s, q, the q before, Bq and A), with up to
    two temporaries, and the graph of the gradient; then g, s, A and a copy of the parameters.

    Parameter groups share all hyperparameters, and the radius. A rejected step changes nothing but the radius and the
    count of backpropagations: the norm takes in the gradients of accepted steps alone, so that a step that is tried
    again in a full batch is tried in a smaller ellipsoid of the same shape.

    The state is kept as that of `torch.optim.LBFGS`, with the first parameter: ``radius``; ``steps``, the number of
    accepted steps; ``backpropagations``; and with each parameter the norm's ``accumulator``. ``state_dict()`` is a
    snapshot: it shares no tensor with the optimizer, and neither does an optimizer that loads it.

    The loss is differentiated twice: gradient checkpointing needs ``use_reentrant=False``.

    Args:
        params: Parameters or parameter groups, of dtype float32 or float64, on one device.
        norm: The shape of the ellipsoid: ``"rmsprop"``, ``"adagrad"``, or None for a ball.
        curvature: ``"hessian"``; ``"gauss_newton"``, for which the closure returns the pair of the loss and the output
            that it is a function of, a tensor or a list of tensors; or ``"none"`` for the first-order method.
        subproblem: How the step is found: ``"steihaug"``, conjugate gradients, or ``"lanczos"``, which costs about
            twice as many products and escapes saddles.
        radius: Δ₀ > 0, the first radius. The default is the paper's; for runs of some hundred steps try 0.1.
        max_radius: Δ_max >= Δ₀.
        accept_ratio: η₁ in [0, 1]: a step of a smaller ratio of real to promised decrease is rejected.
        expand_ratio: η₂ in [η₁, 1]: after a step of a greater ratio the radius grows.
        expand_factor: γ₁ >= 1, by which it grows.
        shrink_factor: γ₂ > 1, by which it shrinks after a rejected step. None: 1.5, with ``"rmsprop"`` 1.75.
        tolerance: κ in (0, 1]: the residual falls to ‖g‖ min(κ, ‖g‖).
        max_iterations: Iterations of the subproblem at most, >= 1.
        norm_decay: σ of RMSProp, in [0, 1).
        norm_epsilon: ε > 0 of the norm.

    Attributes:
        report: What happened in the last step, an `indian_core.trust_region.Report` of plain numbers; None before the
            first step, and not saved.

    Raises:
        TypeError: A hyperparameter is of the wrong type, or a parameter of another dtype.
        ValueError: A hyperparameter is out of its range, a group has one of its own, or there are no parameters.

    Example:
        >>> import torch
        >>> from indian_torch import TrustRegion
        >>> model, x = torch.nn.Linear(4, 1), torch.ones(8, 4)
        >>> optimizer = TrustRegion(model.parameters(), radius=1.0)
        >>> for _ in range(10):
        ...     loss = optimizer.step(lambda: (model(x) - 1).square().mean())
        >>> optimizer.report.termination.name, optimizer.report.loss < 1e-6
        ('CONVERGED', True)
    """

    @refuses_other_names
    def __init__(
        self,
        params: ParamsT,
        *,
        norm: str | None = DEFAULTS.norm,
        curvature: str = DEFAULTS.curvature,
        subproblem: str = DEFAULTS.subproblem,
        radius: float = DEFAULTS.radius,
        max_radius: float = DEFAULTS.max_radius,
        accept_ratio: float = DEFAULTS.accept_ratio,
        expand_ratio: float = DEFAULTS.expand_ratio,
        expand_factor: float = DEFAULTS.expand_factor,
        shrink_factor: float | None = DEFAULTS.shrink_factor,
        tolerance: float = DEFAULTS.tolerance,
        max_iterations: int = DEFAULTS.max_iterations,
        norm_decay: float = DEFAULTS.norm_decay,
        norm_epsilon: float = DEFAULTS.norm_epsilon,
    ) -> None:
        given = Settings(
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
        super().__init__(params, check(given)._asdict())

    @torch.no_grad()
    def step(self, closure: Callable[[], Any]) -> Tensor:  # type: ignore[override]
        """Take one step, or find that the radius has to shrink.

        Args:
            closure: Evaluates the model and returns the loss, a tensor of one element, without calling ``backward``;
                with ``curvature="gauss_newton"`` the pair of the loss and the output of the network that it is a
                function of. It is called at the parameters and at the trial point.

        Returns:
            The loss before the step.

        Raises:
            TypeError: ``closure`` is not callable, or returns no tensor of a floating dtype; or a parameter is not of
                dtype float32 or float64 any more.
            ValueError: The loss has more than one element, or does not depend on the parameters, of which at least one
                must require a gradient; or an accumulator is of another shape than its parameter, or on another device.
            RuntimeError: The loss cannot be differentiated twice, a gradient is sparse, or a parameter or accumulator
                cannot be changed in place. In each case, and in that of an error in ``closure``, parameters and state
                are as before.
        """
        if closure is None and self._start_without_a_closure():
            return torch.zeros(())
        if not callable(closure):
            raise TypeError(f"closure must be a function that returns the loss, got a {type(closure).__name__}")
        self._refuse_unfit_tensors()
        settings, shared = self._settings(), self._shared()
        layout = FlatLayout(self._trained())
        if not layout.params:
            raise ValueError("params must have a parameter that requires a gradient, got none")
        # Afterwards the random numbers are as before, so that the trial draws the same.
        with torch.enable_grad(), random_numbers_kept(layout.params), casts_forgotten():
            local = differentiate(closure(), layout, settings.curvature)
        loss, before, eps = local.loss, local.loss.item(), local.loss_eps
        coefficients = norms.norm_coefficients(
            settings.norm, shared["steps"] + 1, settings.norm_decay, settings.norm_epsilon
        )
        accumulator = self._accumulator(layout, local.gradient, coefficients, settings.norm)
        space = TorchSpace(
            torch.as_tensor(norms.scale(accumulator, coefficients, torch), device=layout.params[0].device).to(
                local.gradient
            )
        )
        limits = (settings.tolerance, settings.max_iterations)
        problem = Problem(local.gradient, local.product, shared["radius"], before, eps, *limits)
        solution = solve(problem, space, settings.subproblem)
        # The graph of the loss goes with them.
        del local, problem

        # Before the first change, for there may be no memory.
        kept = self._accumulators(layout, settings.norm)
        with kept_unless_accepted(layout.params) as trial:
            torch._foreach_add_(layout.params, layout.views(solution.step))
            with torch.enable_grad(), casts_forgotten():
                after = loss_of(closure(), settings.curvature).item()
            decrease, end = solution.model_decrease, solution.termination
            verdict = judge(before, after, decrease, shared["radius"], end, settings, eps=eps, xp=plain_numbers)
            trial.accepted = verdict.accepted
        self.report = plain_report(before, after, solution, verdict, shared["backpropagations"])
        self._share(
            radius=self.report.radius,
            backpropagations=self.report.backpropagations,
            steps=shared["steps"] + self.report.accepted,
        )
        if self.report.accepted:
            self._keep(layout, accumulator, kept)
        self._warn_of_stall()
        return loss
