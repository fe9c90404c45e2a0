"""INDIAN as a `torch.optim.Optimizer`."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from indian_core.dynamics import phase_from_velocity
from indian_core.hyperparameters import DEFAULTS, check_started, resolve_initial_speed
from indian_torch._compat import check_graph_capture, uses_grad_if_differentiable
from indian_torch._optimizer.names import refuses_other_names, warn_of_other_names
from indian_torch._optimizer.saved import SavedOptimizer, refuse_other_shape
from indian_torch._step.dispatch import prepare, step_group
from indian_torch._step.gather import Known, gather
from indian_torch._step.grad_scale import check_grad_scale
from indian_torch._step.settings import Settings, as_number, checked, settings_of
from indian_torch._step.state import SAVED_OTHERWISE, loaded, saved, velocity_of
from indian_torch._tensors.comparison import copied
from indian_torch._tensors.dtypes import at_least_float32
from indian_torch._tensors.guards import LayoutMemo

__all__ = ["INDIAN", "INNA"]


class INDIAN(SavedOptimizer):
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

    _names = Settings._fields

    @refuses_other_names
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
        settings = Settings(
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
        self._memos: defaultdict[int, LayoutMemo[Known]] = defaultdict(LayoutMemo)
        super().__init__(params, checked(settings)._asdict())

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._memos = defaultdict(LayoutMemo)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a parameter group; its hyperparameters are checked as those of the constructor."""
        if isinstance(param_group, dict):
            warn_of_other_names(self, param_group, Settings._fields)
            settings = checked(settings_of(self.defaults | param_group))
            initial_speed = resolve_initial_speed(settings.initial_speed, settings.norm)
            own = {name: value for name, value in settings._asdict().items() if name in param_group}
            param_group = param_group | own | {"initial_speed": initial_speed}
        super().add_param_group(param_group)
        added = self.param_groups[-1]
        if added["fused"] and not all(param.is_floating_point() for param in added["params"]):
            self.param_groups.pop()
            raise RuntimeError("fused must be False or None where a parameter is not of a floating dtype, got True")

    @uses_grad_if_differentiable
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take one step; parameters without a gradient stay as they are.

        Args:
            closure: Reevaluates the model, calls ``backward`` and returns the loss.

        Returns:
            What ``closure`` returned, or None.

        Raises:
            RuntimeError, TypeError, ValueError: A gradient is sparse, or complex beside a real parameter; a gradient
                or a tensor of the state is of another shape than its parameter or on another device; one that the
                step writes to cannot be changed in place; a setting of a group is invalid; or there is no memory
                for new states. Neither parameters nor state have changed by then.
        """
        check_graph_capture(self)
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        # All checks come before the first update, so an error leaves parameters and state as they were.
        gathered = [
            gather(group, self.state, f"group {index}", type(self).__name__, self._memos[index])
            for index, group in enumerate(self.param_groups)
        ]
        found_inf, grad_scale = getattr(self, "found_inf", None), getattr(self, "grad_scale", None)
        if found_inf is None or not found_inf.item():
            if grad_scale is not None:
                check_grad_scale(grad_scale, gathered)
            ready = [prepare(tensors) for tensors in gathered]
            for tensors in ready:
                step_group(tensors, self.state, grad_scale)
        return loss

    def velocity(self, param: Tensor) -> Tensor:
        """The velocity m of a parameter, a new tensor of its shape, in ``velocity_dtype`` or the parameter's own dtype.

        Raises:
            ValueError: ``param`` is not a parameter of this optimizer, or has not taken a step.
        """
        self._group_of(param)
        return velocity_of(self.state[param])

    def phase(self, param: Tensor) -> Tensor:
        """The phase variable ψ of a parameter, a new tensor of its shape and dtype.

        Raises:
            ValueError: ``param`` is not a parameter of this optimizer, or has not taken a step.
        """
        velocity, group = self.velocity(param), self._group_of(param)
        alpha, beta = as_number(group["alpha"]), as_number(group["beta"])
        dtype = at_least_float32(param.dtype)
        return phase_from_velocity(param.detach().to(dtype), velocity.to(dtype), alpha, beta).to(param.dtype)

    def _saved(self, state: dict[str, Any]) -> dict[str, Any]:
        return saved(state) if "step" in state else super()._saved(state)

    def _refuse_group(self, place: str, own: Mapping[str, Any], saved: Mapping[str, Any]) -> None:
        if own["norm"] != saved["norm"]:
            raise ValueError(f"norm of {place} must be that of the state, {saved['norm']!r}, got {own['norm']!r}")

    def _refuse_state(self, place: str, param: Tensor, group: Mapping[str, Any], state: Mapping[str, Any]) -> None:
        for name in ("velocity",) if group["norm"] is None else ("velocity", "accumulator"):
            refuse_other_shape(place, name, param, state.get(name))
        if "step" not in state:
            raise ValueError(f"the state to load must have the number of steps taken, step, got none for {place}")

    def _loaded(self, param: Tensor, group: dict[str, Any], state: dict[str, Any]) -> dict[str, Any]:
        # The entries of users are as the base class has loaded them.
        others = {key: copied(value) for key, value in self.state[param].items() if key not in SAVED_OTHERWISE}
        return others | loaded(state, param, settings_of(group))

    def _group_of(self, param: Tensor) -> dict[str, Any]:
        """The group of a parameter that has taken a step."""
        group = next((group for group in self.param_groups if any(p is param for p in group["params"])), None)
        if group is None:
            raise ValueError(f"param must be a parameter of this optimizer, got {_described(param)}")
        check_started("param", int(self.state.get(param, {}).get("step", 0)))
        return group

    @property
    def _step_supports_amp_scaling(self) -> bool:
        """Whether `torch.amp.GradScaler` sets ``found_inf`` and ``grad_scale``, and leaves the rest to `step`."""
        return any(group["fused"] and not group["capturable"] for group in self.param_groups)


def _described(param: Any) -> str:
    """Type and shape, in place of the contents of a tensor."""
    shape = f" of shape {tuple(param.shape)}" if isinstance(param, Tensor) else ""
    return f"a {type(param).__name__}{shape}"


INNA = INDIAN
