"""TensorFlow's vectors, for the solvers of `indian_core.trust_region`."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf
from keras import ops

from indian_core.norms import inner_product, preconditioned
from indian_core.trust_region.probe import probe

__all__ = ["TensorFlowSpace", "eps_of"]

_Vector: TypeAlias = Any


class TensorFlowSpace:
    """Tensors of one dimension in an ellipsoid; see `indian_core.trust_region.space.VectorSpace`.

    Args:
        scale: A, positive, a vector of the dtype of all, or of one element for all.
    """

    xp = ops

    def __init__(self, scale: _Vector) -> None:
        self._scale = scale
        self.eps = eps_of(scale)

    @staticmethod
    def copy(x: _Vector) -> _Vector:
        """x."""
        return x

    @staticmethod
    def zeros_like(x: _Vector) -> _Vector:
        """0."""
        return tf.zeros_like(x)

    @staticmethod
    def multiply(factor: Any, x: _Vector) -> _Vector:
        """factor · x."""
        return factor * x

    @staticmethod
    def add_scaled(x: _Vector, factor: Any, y: _Vector) -> _Vector:
        """x + factor · y."""
        return x + factor * y

    def apply_scale(self, x: _Vector) -> _Vector:
        """Ax."""
        return self._scale * x

    def precondition(self, x: _Vector) -> _Vector:
        """A⁻¹x."""
        return preconditioned(x, self._scale)

    @staticmethod
    def dots(*pairs: tuple[_Vector, _Vector]) -> list[Any]:
        """xᵀy of each pair."""
        return [inner_product(x, y, 1.0, ops) for x, y in pairs]

    def probe(self, like: _Vector) -> _Vector:
        """The probe of a space of so many dimensions."""
        return tf.cast(probe(tf.range(tf.size(like))), like.dtype) / tf.sqrt(self._scale)

    @staticmethod
    def choose(condition: Any, yes: Callable[[], _Vector], no: Callable[[], _Vector]) -> _Vector:
        """One of two vectors."""
        return tf.cond(condition, yes, no)

    def loop(self, runs: Callable[..., Any], iterate: Callable[..., Any], carry: list[Any]) -> tuple[Any, ...]:
        """A `tf.while_loop`; the scalars keep the dtypes that they begin with."""
        dtype = self._scale.dtype
        begun = tf.nest.map_structure(lambda value: _tensor(value, dtype), tuple(carry))

        def body(*before: Any) -> Any:
            return tf.nest.map_structure(lambda old, new: tf.cast(new, old.dtype), before, iterate(*before))

        return tf.while_loop(runs, body, begun)

    @staticmethod
    def twice(run: Callable[[Any, bool], Any], state: Any) -> tuple[Any, Any]:
        """As `indian_core.trust_region.space.VectorSpace.twice`."""
        first = run(state, False)
        return first, run(first, True)


def eps_of(tensor: Any) -> float:
    """The distance from 1 to the next number in the dtype of a tensor."""
    return float(np.finfo(tensor.dtype.as_numpy_dtype).eps)


def _tensor(value: Any, dtype: Any) -> Any:
    """A tensor of a dtype that a loop keeps: of a number, that of its kind."""
    if isinstance(value, bool):
        return tf.constant(value)
    tensor = tf.convert_to_tensor(value)
    if tensor.dtype.is_floating:
        return tf.cast(tensor, dtype)
    # The dtype that Keras gives to indices, with which iterations are compared, depends on its floatx.
    return tf.cast(tensor, ops.arange(1).dtype) if tensor.dtype.is_integer else tensor
