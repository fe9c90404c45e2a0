"""The parts of distributed tensors that lie in this process."""

from torch import Tensor
from torch.nn import Parameter

__all__ = ["local_parts"]


def local_parts(param: Tensor, grad: Tensor, velocity: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Three tensors of one shape, as they are, or if they are distributed tensors, their parts in this process.

    A step is the same for each element, so it needs no other part, and no communication, unless the gradient is
    distributed in another way than the parameter.

    Args:
        param: A parameter.
        grad: Its gradient.
        velocity: Its velocity, distributed as it is.
    """
    if type(param) is Parameter or not hasattr(param, "to_local"):
        return param, grad, velocity
    if grad.placements != param.placements:  # type: ignore[attr-defined]
        grad = grad.redistribute(placements=param.placements)  # type: ignore[attr-defined]
    return param.to_local(), grad.to_local(), velocity.to_local()  # type: ignore[attr-defined]
