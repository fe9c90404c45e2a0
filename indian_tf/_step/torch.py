"""Steps on the PyTorch backend: of many variables in a few calls, and in place. Imported on that backend alone."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, Final

import torch
from keras import ops
from torch import Tensor

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
        c, norm, norm_last = coefficients
        if velocities:
            of_norm = (accumulators, norm) if accumulators else (None, None)
            step(params, grads, velocities, of_norm[0], c, of_norm[1], norm_last=norm_last)
        elif dtypes in _FULL_PRECISION:
            if c.theta_decay != 0:
                # Not a product: a factor so near to 1 would be rounded in the same way at every step.
                torch._foreach_add_(params, params, alpha=c.theta_decay)
            torch._foreach_add_(params, grads, alpha=c.theta_gradient)
        else:
            # In 16 bits the operations on many tensors would round after each, and they take but one dtype.
            for arrays, gradient in members:
                self.update(arrays, gradient, lambda *_: coefficients)

    def apply_statelessly(
        self, apply: Callable[[Any, Any, Any], Any], optimizer_variables: Any, grads: Any, trainable_variables: Any
    ) -> Any:
        """Call Keras' `stateless_apply` with copies, since the step changes tensors in place."""
        # The step is no part of a graph, which would grow from step to step.
        with torch.no_grad():
            copies = [[ops.copy(tensor) for tensor in each] for each in (optimizer_variables, trainable_variables)]
            return apply(copies[0], grads, copies[1])


BACKEND = Torch()
