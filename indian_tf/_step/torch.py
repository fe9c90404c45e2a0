"""Steps on the PyTorch backend: of many variables in a few calls, and in place. Imported on that backend alone."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import torch
from keras import ops
from torch import Tensor

from indian_tf._step.any_backend import AnyBackend, Arrays
from indian_tf._step.coefficients import CoefficientsOfVariable, coefficients_of
from indian_tf._step.settings import Settings
from indian_torch.functional import step

__all__ = ["BACKEND", "Torch"]


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
        groups: dict[tuple[Any, ...], list[list[Tensor]]] = defaultdict(list)
        for theta, m, v, g, own, taken in zip(*arrays, gradients, settings, steps, strict=True):
            row = [theta.value, g if isinstance(g, Tensor) else ops.convert_to_tensor(g), m.value]
            if v is not None:
                row.append(v.value)
            key = (own, taken, *[tensor.dtype for tensor in row])
            groups[key].append(row)
        for (own, taken, *_), rows in groups.items():
            coefficients = coefficients_of(own, learning_rate, taken)
            # Without a norm there are no accumulators.
            params, grads, velocities, *rest = map(list, zip(*rows, strict=True))
            accumulators, norm = (rest[0], coefficients.norm) if rest else (None, None)
            step(params, grads, velocities, accumulators, coefficients.step, norm)

    def apply_statelessly(
        self, apply: Callable[[Any, Any, Any], Any], optimizer_variables: Any, grads: Any, trainable_variables: Any
    ) -> Any:
        """Call Keras' `stateless_apply` with copies, since the step changes tensors in place."""
        # The step is no part of a graph, which would grow from step to step.
        with torch.no_grad():
            copies = [[ops.copy(tensor) for tensor in each] for each in (optimizer_variables, trainable_variables)]
            return apply(copies[0], grads, copies[1])


BACKEND = Torch()
