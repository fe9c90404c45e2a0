"""INDIAN as a `torch.optim.Optimizer`."""

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT, _use_grad_for_differentiable

from indian_core.hyperparameters import DEFAULTS, resolve_initial_speed
from indian_torch.checks import checked
from indian_torch.state import VelocityOptimizer
from indian_torch.step import step_group

__all__ = ["INDIAN", "INNA"]


class INDIAN(VelocityOptimizer):
    r"""INDIAN, the inertial Newton algorithm: a heavy ball with Newton damping, at the cost of a gradient.

    With the velocity :math:`m`, gradient :math:`g`, step size :math:`\gamma` (``lr``), viscous damping :math:`\alpha`
    and Newton damping :math:`\beta`, a step is

    .. math::
        \theta \leftarrow \theta + \gamma m - \gamma\beta g, \qquad
        m \leftarrow (1 - \alpha\gamma) m - \gamma (1 - \alpha\beta) g,

    which is equation (11) of Castera, Bolte, Févotte, Pauwels, "An Inertial Newton Algorithm for Deep Learning" (2019),
    rewritten (see `indian_core.dynamics`). The paper's successor calls the method INNA; so does the alias ``INNA``.

    In the norm of RMSProp or AdaGrad, :math:`A^{-1} g` takes the place of :math:`g`, with the diagonal :math:`A` of
    `indian_core.norms`; in that of RMSProp this is INNAprop, see `INNAprop`.

    Parameter groups may have hyperparameters and flags of their own, all but ``params``. The state of a parameter is
    ``velocity`` and, in a norm, ``accumulator``, both of the parameter's shape, and ``step``, the number of steps it
    has taken, whichever implementation takes the steps.

    Args:
        params: Parameters or parameter groups, real or complex, of any floating dtype.
        lr: Step size γ >= 0; a number or a tensor of one element.
        alpha: Viscous damping α >= 0.
        beta: Newton damping β > 0.
        initial_speed: s: a parameter's first step starts with velocity −s g. The paper uses 1. None: β, so that the
            part of it that the step remembers starts at 0. ``"auto"``: 1 without a norm, None in one; each group holds
            what that is for its own norm.
        weight_decay: Decay rate λ >= 0, decoupled from the gradient; to first order in γ the penalty (λ/2β)‖θ‖².
        norm: The norm in which the steps are taken: None, the Euclidean; ``"rmsprop"``, with A = √(v/(1 − σᵏ)) + ε in
            the k-th step, where v is a running mean of g²; or ``"adagrad"``, with A = √v + ε, where v is their sum. It
            stays as it is once a step has been taken. Real and imaginary part of a complex parameter count as two.
            The default learning rate is for no norm; with ``"rmsprop"`` give 0.001 to 0.01, or take `INNAprop`.
        norm_decay: σ in [0, 1), of RMSProp.
        norm_epsilon: ε >= 0, of RMSProp and AdaGrad.
        maximize: Maximize instead of minimize.
        foreach: Update all tensors of a group in a few calls. None: do so, unless another flag says otherwise.
        differentiable: Let gradients flow through the step, to the hyperparameters too where they are tensors.
        capturable: Keep everything on the parameters' device, so that the step can be captured in a CUDA graph, tensor
            by tensor. On CPU it is of no use, and works.
        fused: Update all tensors of a group in one pass over memory, with the kernel of ``torch.optim.SGD``; steps that
            it cannot take (the first; β within about 1e-5 of γ; αγ near 1; tensors of different layouts) are taken as
            by ``foreach``. Floating-point parameters on the devices that the kernel supports only. In 16 bits: only
            bfloat16 without weight decay, where PyTorch's kernel is right, which on CPU it is not. None: False.
        velocity_dtype: Floating dtype of the velocity of real parameters; None: the parameter's own. Other than the
            parameter's, tensors are updated one after the other, in the wider dtype of the two.
        norm_dtype: The same for the accumulator of the norm.

    Raises:
        TypeError: A hyperparameter is not a number, a flag not a bool, or a dtype not a floating one.
        ValueError: A hyperparameter is out of its range, ``norm`` is another string, or there are no parameters.
        RuntimeError: ``fused`` is True with ``foreach`` or ``differentiable``, or a parameter that the kernel does not
            support; or ``foreach`` is True with ``differentiable``.

    Example:
        >>> import torch
        >>> from indian_torch import INDIAN
        >>> model = torch.nn.Linear(4, 1)
        >>> optimizer = INDIAN(model.parameters(), lr=0.1, alpha=0.5, beta=0.1)
        >>> loss = model(torch.ones(8, 4)).square().mean()
        >>> loss.backward()
        >>> optimizer.step()
        >>> optimizer.velocity(model.weight).shape
        torch.Size([1, 4])
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = DEFAULTS.learning_rate,
        alpha: float | Tensor = DEFAULTS.alpha,
        beta: float | Tensor = DEFAULTS.beta,
        *,
        initial_speed: float | Tensor | Literal["auto"] | None = DEFAULTS.initial_speed,
        weight_decay: float | Tensor = DEFAULTS.weight_decay,
        norm: str | None = DEFAULTS.norm,
        norm_decay: float | Tensor = DEFAULTS.norm_decay,
        norm_epsilon: float | Tensor = DEFAULTS.norm_epsilon,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        capturable: bool = False,
        fused: bool | None = None,
        velocity_dtype: torch.dtype | None = None,
        norm_dtype: torch.dtype | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "alpha": alpha,
            "beta": beta,
            "initial_speed": initial_speed,
            "weight_decay": weight_decay,
            "norm": norm,
            "norm_decay": norm_decay,
            "norm_epsilon": norm_epsilon,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "capturable": capturable,
            "fused": fused,
            "velocity_dtype": velocity_dtype,
            "norm_dtype": norm_dtype,
        }
        super().__init__(params, checked(defaults))

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a parameter group; its hyperparameters are checked as those of the constructor."""
        if isinstance(param_group, dict):
            values = checked(self.defaults | param_group)
            initial_speed = resolve_initial_speed(values["initial_speed"], values["norm"])
            param_group = {name: values[name] for name in param_group} | {"initial_speed": initial_speed}
        super().add_param_group(param_group)
        added = self.param_groups[-1]
        if added["fused"] and not all(param.is_floating_point() for param in added["params"]):
            self.param_groups.pop()
            raise RuntimeError("fused must be False or None where a parameter is not of a floating dtype, got True")

    @_use_grad_for_differentiable
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take one step; parameters without a gradient stay as they are.

        Args:
            closure: Reevaluates the model, calls ``backward`` and returns the loss.

        Returns:
            What ``closure`` returned, or None.

        Raises:
            RuntimeError: A gradient is sparse. No parameter has changed by then.
        """
        self._accelerator_graph_capture_health_check()
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        active = [[p for p in group["params"] if p.grad is not None] for group in self.param_groups]
        gradients: list[Any] = [[p.grad for p in params] for params in active]
        if any([grad.layout is not torch.strided for grads in gradients for grad in grads]):  # noqa: C419
            raise RuntimeError("INDIAN does not support sparse gradients")
        found_inf, grad_scale = getattr(self, "found_inf", None), getattr(self, "grad_scale", None)
        if found_inf is None or not found_inf.item():
            for group, params, grads in zip(self.param_groups, active, gradients, strict=True):
                step_group(group, params, grads, [self._states[p] for p in params], grad_scale)
        return loss

    @property
    def _step_supports_amp_scaling(self) -> bool:
        """Whether `torch.amp.GradScaler` sets ``found_inf`` and ``grad_scale``, and leaves the rest to `step`."""
        return any(group["fused"] and not group["capturable"] for group in self.param_groups)


INNA = INDIAN
