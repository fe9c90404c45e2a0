"""SGD with damped momentum, with the signature of `torch.optim.SGD`."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.optim.optimizer import ParamsT

from indian_torch._family import damped_sgd
from indian_torch._optimizer.names import refuses_other_names
from indian_torch._optimizer.stepping import SteppingOptimizer

__all__ = ["DampedSGD"]


class DampedSGD(SteppingOptimizer):
    r"""SGD with one knob more, the damping of its momentum: INDIAN in damping form, see `indian_core.damping`.

    With momentum :math:`\mu`, damping :math:`r`, dampening :math:`d`, and the gradient :math:`g` with its weight decay,

    .. math::
        b \leftarrow \mu b + (1 - d)\, g, \qquad
        \theta \leftarrow \theta - \text{lr} \left((1 - (1 - \mu) r)\, b_{\text{old}} + r (1 - d)\, g\right).

    ``damping=1`` takes the steps of ``torch.optim.SGD``, and ``damping=1 + momentum`` those with ``nesterov=True``,
    under any schedule. A larger damping weights the newest gradient more. The damping contains no learning rate, so it
    keeps its meaning where a schedule changes ``lr``.

    The signature is that of ``torch.optim.SGD``, with one argument more. The state is that of SGD, too:
    ``momentum_buffer``, which is b. A run can change from one to the other, in both directions, by ``load_state_dict``.
    The groups of SGD hold no damping; ``damping`` and ``nesterov`` of the optimizer that loads them stay. Loaded into
    ``torch.optim.SGD``, a state goes on with Nesterov's momentum if ``nesterov`` is True, whatever the damping.

    With ``fused`` and a damping other than these two, ``state`` has ``scaled_momentum_buffer``, a multiple of the
    buffer, and the factor ``multiple``. ``state_dict()`` has the buffer itself, and is a snapshot that shares no tensor
    with the optimizer.

    Args:
        params: Parameters or parameter groups, real or complex, of any floating dtype.
        lr: Learning rate >= 0; a number or a tensor of one element.
        momentum: μ in [0, 1]. With 0 the buffer is the gradient before; a damping of 1, the default there, ignores it.
        dampening: d; the first buffer is the gradient, whatever it is.
        weight_decay: λ >= 0, the factor of θ in the gradient.
        nesterov: True is a damping of 1 + μ. False: ``damping`` decides.
        maximize: Maximize instead of minimize.
        foreach: Update all tensors of a group in a few calls. None: do so, unless another flag says otherwise.
        differentiable: Let gradients flow through the step, to the hyperparameters too where they are tensors.
        fused: Update all tensors of a group in one pass over memory, with the kernel of ``torch.optim.SGD``. Steps that
            it cannot take (the first with a dampening; a damping near 1/(1 − μ); tensors of different layouts) are
            taken as by ``foreach``. Supports floating-point parameters on the devices that have the kernel. In 16 bits,
            supports only bfloat16, where PyTorch's kernel is right, which on CPU it is not. None: False.
        damping: r > 0. None: Nesterov's 1 + μ up to μ = 0.9, then 0.19/(1 − μ).

    Raises:
        TypeError: A hyperparameter is not a number, or a flag not a bool.
        ValueError: A hyperparameter is out of its range; ``nesterov`` is True with a ``damping``, with a dampening or
            without momentum; or there are no parameters.
        RuntimeError: ``fused`` is True with ``foreach`` or ``differentiable``, or a parameter that the kernel does not
            support; or ``foreach`` is True with ``differentiable``.

    Example:
        >>> import torch
        >>> from indian_torch import DampedSGD
        >>> model = torch.nn.Linear(4, 1)
        >>> sgd = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True)
        >>> model(torch.ones(8, 4)).square().mean().backward()
        >>> sgd.step()
        >>> optimizer = DampedSGD(model.parameters(), lr=0.1, momentum=0.9, damping=3.0)
        >>> optimizer.load_state_dict(sgd.state_dict())  # continues with the state of SGD
        >>> optimizer.step()
        >>> optimizer.param_groups[0]["damping"]
        3.0
    """

    _family = damped_sgd

    @refuses_other_names
    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float | Tensor = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
        damping: float | Tensor | None = None,
    ) -> None:
        settings = damped_sgd.Settings(
            lr=lr,
            momentum=momentum,
            dampening=dampening,
            weight_decay=weight_decay,
            nesterov=nesterov,
            maximize=maximize,
            foreach=foreach,
            differentiable=differentiable,
            fused=fused,
            damping=damping,
        )
        super().__init__(params, settings)

    def _completed_group(self, own: dict[str, Any], saved: dict[str, Any], *, has_states: bool) -> dict[str, Any]:
        completed = super()._completed_group(own, saved, has_states=has_states)
        # The flag is a damping.
        return completed if "damping" in saved or "nesterov" not in saved else completed | {"nesterov": own["nesterov"]}

    def _refuse_state(self, place: str, param: Tensor, group: Mapping[str, Any], state: Mapping[str, Any]) -> None:
        # That of SGD without momentum has no buffer.
        if state.get("momentum_buffer") is not None:
            super()._refuse_state(place, param, group, state)

    def _loaded(self, param: Tensor, group: dict[str, Any], state: dict[str, Any]) -> dict[str, Any]:
        return super()._loaded(param, group, state) if state.get("momentum_buffer") is not None else {}
