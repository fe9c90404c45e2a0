"""Steps on the PyTorch backend: of many variables in a few calls, and in place. Imported on that backend alone."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, Final

import torch
from keras import ops
from torch import Tensor

from indian_core.dynamics import StepCoefficients
from indian_core.norms import bare_root
from indian_tf._step.any_backend import AnyBackend, Arrays
from indian_tf._step.coefficients import Coefficients, CoefficientsOfVariable, coefficients_of
from indian_tf._step.settings import Settings
from indian_torch.functional import step

__all__ = ["BACKEND", "Torch"]

_FULL_PRECISION: Final = ({torch.float32}, {torch.float64})


class Torch(AnyBackend):
    """The PyTorch backend, where each call takes time."""

    updates_many = True

    def kept_values(self, variables: Sequence[Any], *, may_copy: bool) -> list[Any]:
        """Copies of the values of variables."""
        return [variable.value.detach().clone() for variable in variables] if may_copy else []

    def dense(self, gradient: Any) -> Any:
        """A gradient, perhaps a sparse one, as the dense tensor that it stands for, on Keras' device."""
        return ops.convert_to_tensor(gradient if gradient.layout == torch.strided else gradient.to_dense())

    @torch.no_grad()
    def update(self, arrays: Arrays, gradient: Any, coefficients: CoefficientsOfVariable) -> None:
        """Take one step of one variable in place; see `AnyBackend.update`."""
        super().update(arrays, gradient, coefficients)

    @torch.no_grad()
    def update_many(
        self,
        arrays: Arrays,
        gradients: Sequence[Any],
        settings: Sequence[Settings],
        steps: Sequence[int],
        learning_rate: Any,
    ) -> None:
        """Take one step of many variables in place; see `AnyBackend.update_many`.

        Variables take their steps in the same calls if their coefficients and dtypes agree.
        """
        learning_rate = float(learning_rate)
        groups: dict[tuple[Any, ...], list[tuple[Arrays, Tensor]]] = defaultdict(list)
        for theta, m, v, gradient, own, taken in zip(*arrays, gradients, settings, steps, strict=True):
            g = gradient if isinstance(gradient, Tensor) else ops.convert_to_tensor(gradient)
            dtypes = [g.dtype, *(variable.value.dtype for variable in (theta, m, v) if variable is not None)]
            key = (own, taken, *dtypes)
            groups[key].append((Arrays(theta, m, v), g))
        for (own, taken, *dtypes), members in groups.items():
            self._update_group(members, coefficients_of(own, learning_rate, taken), set(dtypes))

    def _update_group(
        self, members: list[tuple[Arrays, Tensor]], coefficients: Coefficients, dtypes: set[torch.dtype]
    ) -> None:
        """Take one step of variables, each with its gradient, that share the coefficients and the dtypes."""
        grads = [gradient for _, gradient in members]
        params, velocities, accumulators = (
            [] if variables[0] is None else [variable.value for variable in variables]
            for variables in zip(*(arrays for arrays, _ in members), strict=True)
        )
        if velocities and not coefficients.norm_last:
            of_norm = (accumulators, coefficients.norm) if accumulators else (None, None)
            step(params, grads, velocities, of_norm[0], coefficients.step, of_norm[1])
        elif dtypes not in _FULL_PRECISION:
            # In 16 bits the operations on many tensors would round after each, and they take but one dtype.
            for arrays, gradient in members:
                self.update(arrays, gradient, lambda *_: coefficients)
        elif velocities:
            _step_in_norm_last(params, grads, velocities, accumulators, coefficients)
        else:
            _decay(params, coefficients.step)
            torch._foreach_add_(params, grads, alpha=coefficients.step.theta_gradient)

    def apply_statelessly(
        self, apply: Callable[[Any, Any, Any], Any], optimizer_variables: Any, grads: Any, trainable_variables: Any
    ) -> Any:
        """Call Keras' `stateless_apply` with copies, since the step changes tensors in place."""
        # The step is no part of a graph, which would grow from step to step.
        with torch.no_grad():
            copies = [[ops.copy(tensor) for tensor in each] for each in (optimizer_variables, trainable_variables)]
            return apply(copies[0], grads, copies[1])


def _decay(params: list[Tensor], c: StepCoefficients) -> None:
    if c.theta_decay != 0:
        # Not a product: a factor so near to 1 would be rounded in the same way at every step.
        torch._foreach_add_(params, params, alpha=c.theta_decay)


def _step_in_norm_last(
    params: list[Tensor],
    grads: list[Tensor],
    velocities: list[Tensor],
    accumulators: list[Tensor],
    coefficients: Coefficients,
) -> None:
    """Take one step in place whose norm acts on all but the decay, and whose velocity takes in the gradient itself."""
    c, norm, _ = coefficients
    torch._foreach_mul_(accumulators, norm.accumulator)
    torch._foreach_addcmul_(accumulators, grads, grads, norm.square)
    # √v + ε without the factor of the root is one operation less on all entries.
    root = bare_root(norm)
    scale = torch._foreach_sqrt(accumulators)
    torch._foreach_add_(scale, root.epsilon)
    move = torch._foreach_mul(velocities, c.theta_velocity)
    torch._foreach_add_(move, grads, alpha=c.theta_gradient)
    _decay(params, c)
    torch._foreach_addcdiv_(params, move, scale, root.multiple)
    # Not a product by a number, which PyTorch wraps in a tensor once for each velocity on the CPU.
    torch._foreach_add_(velocities, velocities, alpha=c.velocity_velocity - 1)
    torch._foreach_add_(velocities, grads, alpha=c.velocity_gradient)


BACKEND = Torch()
