"""AdamW with damped momentum, with the signature of `torch.optim.AdamW`."""

from collections.abc import Mapping
from typing import Any, Literal

from torch import Tensor
from torch.optim.optimizer import ParamsT

from indian_torch._family import damped_adamw
from indian_torch._optimizer.names import refuses_other_names
from indian_torch._optimizer.stepping import SteppingOptimizer
from indian_torch._step.settings import as_number

__all__ = ["DampedAdamW"]


class DampedAdamW(SteppingOptimizer):
    r"""AdamW with one knob more, the damping of its momentum: INDIAN in damping form, see `indian_core.damping`.

    With the momentum :math:`\mu`, the first of ``betas``, the damping :math:`r`, and the diagonal :math:`A` of RMSProp
    with :math:`\sigma`, the second of ``betas``, step :math:`k` is

    .. math::
        b \leftarrow \mu b + (1 - \mu)\, g, \qquad
        \theta \leftarrow \theta - \text{lr} \left(\lambda\theta + A^{-1}\left((1 - \nu)\, g
        + \nu \frac{b}{1 - \mu^k}\right)\right), \qquad \nu = \frac{1 - (1 - \mu) r}{\mu}.

    ``damping=1`` takes the steps of ``torch.optim.AdamW`` under any schedule; ``damping=1 + betas[0]`` is Nesterov's
    momentum. A larger damping weights the newest gradient more. The damping contains no learning rate, so it keeps its
    meaning where a schedule changes ``lr``.

    The signature is that of ``torch.optim.AdamW``, with two arguments more. The state is that of AdamW, too: ``step``,
    ``exp_avg``, ``exp_avg_sq``. A run can change from one to the other, in both directions, by ``load_state_dict``. The
    groups of AdamW hold no damping; that of the optimizer that loads them stays. The same holds for
    ``torch.optim.Adam`` with ``decoupled_weight_decay=True``. ``state_dict()`` is a snapshot that shares no tensor with
    the optimizer.

    Args:
        params: Parameters or parameter groups, real or complex, of any floating dtype.
        lr: Learning rate >= 0; a number or a tensor of one element.
        betas: μ and σ in [0, 1); numbers or tensors of one element.
        eps: ε >= 0, added to the root.
        weight_decay: λ >= 0, decoupled, multiplied by the learning rate.
        amsgrad: False; True is refused.
        maximize: Maximize instead of minimize.
        foreach: Update all tensors of a group in a few calls. None: do so, unless another flag says otherwise.
        capturable: Keep everything on the parameters' device, so that the step can be captured in a CUDA graph. Takes
            precedence over ``fused`` and ``foreach``; updates one tensor at a time.
        differentiable: Let gradients flow through the step, to the hyperparameters too where they are tensors.
        fused: Update all tensors of a group in one pass over memory, with the kernel of ``torch.optim.AdamW``; with
            another damping than 1, a pass over gradients and ``exp_avg`` follows. Steps that it cannot take (a damping
            of more than about 3/4 of 1/(1 − μ); tensors of different layouts; 16 bits; order ``"innaprop"``) are taken
            as by the other implementations. Supports floating-point parameters on the devices that have the kernel.
            None: False.
        damping: r > 0. None: 1 + μ, Nesterov's.
        order: ``"adam"``: the gradients are averaged, and the average is divided by the root. ``"innaprop"``: each
            gradient is divided by the root, and ``exp_avg`` averages the quotients. A state of one order does not
            continue in the other.

    Raises:
        TypeError: A hyperparameter is not a number, a flag not a bool, or ``order`` no string.
        ValueError: A hyperparameter is out of its range, ``amsgrad`` is True, ``order`` is another string, or there are
            no parameters.
        RuntimeError: ``fused`` is True with ``foreach`` or ``differentiable``, or a parameter that the kernel does not
            support; or ``foreach`` is True with ``differentiable``.

    Example:
        >>> import torch
        >>> from indian_torch import DampedAdamW
        >>> model = torch.nn.Linear(4, 1)
        >>> adamw = torch.optim.AdamW(model.parameters(), lr=3e-4, betas=(0.9, 0.95))
        >>> model(torch.ones(8, 4)).square().mean().backward()
        >>> adamw.step()
        >>> optimizer = DampedAdamW(model.parameters(), damping=1.9)
        >>> optimizer.load_state_dict(adamw.state_dict())  # continues with the state of AdamW
        >>> optimizer.step()
        >>> optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["damping"]
        (0.0003, 1.9)
    """

    _family = damped_adamw

    @refuses_other_names
    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        damping: float | Tensor | None = None,
        order: Literal["adam", "innaprop"] = "adam",
    ) -> None:
        settings = damped_adamw.Settings(
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            amsgrad=amsgrad,
            maximize=maximize,
            foreach=foreach,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            damping=damping,
            order=order,
        )
        super().__init__(params, settings)

    def _completed_group(self, own: dict[str, Any], saved: dict[str, Any], *, has_states: bool) -> dict[str, Any]:
        completed = super()._completed_group(own, saved, has_states=has_states)
        if "decoupled_weight_decay" not in saved:
            completed["decoupled_weight_decay"] = True
        if "order" not in saved and has_states:
            # The states are those of AdamW.
            completed["order"] = "adam"
        return completed

    def _refuse_group(self, place: str, own: Mapping[str, Any], saved: Mapping[str, Any]) -> None:
        if saved["amsgrad"]:
            raise ValueError(f"amsgrad of {place} of the state to load must be False, got {saved['amsgrad']!r}")
        if not saved["decoupled_weight_decay"] and as_number(saved["weight_decay"]) != 0:
            raise ValueError(
                f"decoupled_weight_decay of {place} of the state to load must be True, as in AdamW, got "
                f"{saved['decoupled_weight_decay']!r}"
            )
        if own["order"] != saved["order"]:
            raise ValueError(f"order of {place} must be that of the state, {saved['order']!r}, got {own['order']!r}")

    def _refuse_state(self, place: str, param: Tensor, group: Mapping[str, Any], state: Mapping[str, Any]) -> None:
        if "max_exp_avg_sq" in state:
            raise ValueError(f"the state to load must be without amsgrad, got max_exp_avg_sq for {place}")
        super()._refuse_state(place, param, group, state)
