"""INDIAN as a `torch.optim.Optimizer`."""

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from indian_core.dynamics import phase_from_velocity
from indian_core.hyperparameters import DEFAULTS, check_started
from indian_torch._family import indian
from indian_torch._optimizer.names import refuses_other_names
from indian_torch._optimizer.stepping import SteppingOptimizer
from indian_torch._step.settings import as_number
from indian_torch._step.state import buffer_of
from indian_torch._tensors.dtypes import at_least_float32

__all__ = ["INDIAN", "INNA"]


class INDIAN(SteppingOptimizer):
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

    Parameter groups may have hyperparameters and flags of their own.

    ``state_dict()`` has for each parameter ``velocity`` and, in a norm, ``accumulator``, both of the parameter's shape,
    and ``step``, the number of steps it has taken, a tensor. It is a snapshot: it shares no tensor with the optimizer,
    and neither does an optimizer that loads it. ``state`` has the same entries, with one exception: with ``fused`` it
    has ``scaled_velocity``, a multiple of the velocity, and the factor ``multiple``, and ``velocity`` is None; the
    method `velocity` divides one by the other. Reading the state changes nothing. A dictionary of ``state`` keeps its
    keys; if a flag changes the form of the state, the next step puts a new dictionary into ``state``.

    Args:
        params: Parameters or parameter groups, real or complex, of any floating dtype.
        lr: Step size γ >= 0; a number or a tensor of one element. None: 0.1 without a norm, 0.003 in that of RMSProp
            and 0.01 in that of AdaGrad; each group holds what that is for its own norm.
        alpha: Viscous damping α >= 0.
        beta: Newton damping β > 0.
        initial_speed: s: a parameter's first step starts with velocity −s g. The paper uses 1. None: β, so that the
            part of it that the step remembers starts at 0. ``"auto"``: 1 without a norm, None in one; each group holds
            what that is for its own norm.
        weight_decay: Decay rate λ >= 0, decoupled from the gradient; to first order in γ the penalty (λ/2β)‖θ‖².
        norm: The norm in which the steps are taken: None, the Euclidean; ``"rmsprop"``, with A = √(v/(1 − σᵏ)) + ε in
            the k-th step, where v is a running mean of g²; or ``"adagrad"``, with A = √v + ε, where v is their sum. It
            stays as it is once a step has been taken. Real and imaginary part of a complex parameter count as two.
        norm_decay: σ in [0, 1), of RMSProp.
        norm_epsilon: ε >= 0, of RMSProp and AdaGrad.
        maximize: Maximize instead of minimize.
        foreach: Update all tensors of a group in a few calls. None: do so, unless another flag says otherwise.
        differentiable: Let gradients flow through the step, to the hyperparameters too where they are tensors.
        capturable: Keep everything on the parameters' device, so that the step can be captured in a CUDA graph. Takes
            precedence over ``fused`` and ``foreach``; updates one tensor at a time. Works on CPU, but gains nothing
            there.
        fused: Update all tensors of a group in one pass over memory, with the kernel of ``torch.optim.SGD``. Steps that
            it cannot take (the first; β within about 1e-5 of γ; αγ near 1; tensors of different layouts) are taken as
            by ``foreach``. Supports floating-point parameters on the devices that have the kernel. In 16 bits, supports
            only bfloat16 without weight decay, where PyTorch's kernel is right, which on CPU it is not. None: False.
        velocity_dtype: Floating dtype of the velocity of real parameters. None: the parameter's own. If it is another,
            tensors are updated one at a time, in the wider dtype of the two.
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

    _family = indian

    @refuses_other_names
    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor | None = None,
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
        settings = indian.Settings(
            lr=lr,
            alpha=alpha,
            beta=beta,
            initial_speed=initial_speed,
            weight_decay=weight_decay,
            norm=norm,
            norm_decay=norm_decay,
            norm_epsilon=norm_epsilon,
            maximize=maximize,
            foreach=foreach,
            differentiable=differentiable,
            capturable=capturable,
            fused=fused,
            velocity_dtype=velocity_dtype,
            norm_dtype=norm_dtype,
        )
        super().__init__(params, settings)

    def velocity(self, param: Tensor) -> Tensor:
        """The velocity m of a parameter, a new tensor of its shape, in ``velocity_dtype`` or the parameter's own dtype.

        Raises:
            ValueError: ``param`` is not a parameter of this optimizer, or has not taken a step.
        """
        self._group_of(param)
        return buffer_of(indian.ENTRIES, self.state[param])

    def phase(self, param: Tensor) -> Tensor:
        """The phase variable ψ of a parameter, a new tensor of its shape and dtype.

        Raises:
            ValueError: ``param`` is not a parameter of this optimizer, or has not taken a step.
        """
        velocity, group = self.velocity(param), self._group_of(param)
        alpha, beta = as_number(group["alpha"]), as_number(group["beta"])
        dtype = at_least_float32(param.dtype)
        return phase_from_velocity(param.detach().to(dtype), velocity.to(dtype), alpha, beta).to(param.dtype)

    def _refuse_group(self, place: str, own: Mapping[str, Any], saved: Mapping[str, Any]) -> None:
        if own["norm"] != saved["norm"]:
            raise ValueError(f"norm of {place} must be that of the state, {saved['norm']!r}, got {own['norm']!r}")

    def _defaults_of(self, settings: indian.Settings) -> dict[str, Any]:
        # Each group finds out by its own norm what learning rate and initial speed are.
        return settings._asdict()

    def _group_of(self, param: Tensor) -> dict[str, Any]:
        """The group of a parameter that has taken a step."""
        group = next((group for group in self.param_groups if any(p is param for p in group["params"])), None)
        if group is None:
            raise ValueError(f"param must be a parameter of this optimizer, got {_described(param)}")
        check_started("param", int(self.state.get(param, {}).get("step", 0)))
        return group


def _described(param: Any) -> str:
    """Type and shape, in place of the contents of a tensor."""
    shape = f" of shape {tuple(param.shape)}" if isinstance(param, Tensor) else ""
    return f"a {type(param).__name__}{shape}"


INNA = INDIAN
