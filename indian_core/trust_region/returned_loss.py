"""What the user's function returned: the loss, or for Gauss–Newton products the pair of it and the network's output."""

import math
from collections.abc import Callable
from typing import Any

from indian_core.trust_region.curvatures import CURVATURES

__all__ = ["returned_loss"]


def returned_loss(returned: Any, curvature: str, function: str, is_floating: Callable[[Any], bool]) -> Any:
    """The loss in what a function returned: a tensor of one element.

    Args:
        returned: By the user's function.
        curvature: A key of `indian_core.trust_region.curvatures.CURVATURES`, which says whether it must be a pair.
        function: Its name in the error messages.
        is_floating: Whether something is a tensor of a real floating dtype.

    Raises:
        TypeError: There is no tensor of a floating dtype; or no pair of loss and output, where the curvature needs the
            output.
        ValueError: The loss has more or fewer than one element.

    Example:
        >>> returned_loss((np.ones(1), np.zeros(3)), "gauss_newton", "closure", lambda x: isinstance(x, np.ndarray))
        array([1.])
    """
    if CURVATURES[curvature].needs_output:
        if not (isinstance(returned, tuple) and len(returned) == 2):
            raise TypeError(
                f"with curvature={curvature!r}, {function} must return the pair (loss, output) of the loss and the "
                f"output of the network that it is a function of, got {type(returned).__name__}"
            )
        returned = returned[0]
    if not is_floating(returned):
        kind = type(returned).__name__
        if hasattr(returned, "dtype"):
            kind += f" of dtype {getattr(returned.dtype, 'name', returned.dtype)}"
        raise TypeError(f"{function} must return the loss as a tensor of a floating dtype, got {kind}")
    shape = tuple(returned.shape)
    # In a graph of TensorFlow a size may not be known.
    if None in shape or math.prod(shape) != 1:
        raise ValueError(f"{function} must return a loss of one element, got a tensor of shape {shape}")
    return returned
