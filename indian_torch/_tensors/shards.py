"""The parts of distributed tensors that lie in this process."""

from torch import Tensor
from torch.nn import Parameter

__all__ = ["local_parts"]


def local_parts(param: Tensor, grad: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
    """Tensors of one shape as they are; of distributed tensors, the parts in this process.

    A step is the same for each element. It therefore needs no communication, unless the gradient is distributed in
    another way than the parameter.

    Args:
        param: A parameter.
        grad: Its gradient.
        *states: The tensors of its state, distributed as it is.
    """
    if type(param) is Parameter or not hasattr(param, "to_local"):
        return param, grad, *states
    if grad.placements != param.placements:  # type: ignore[attr-defined]
        grad = grad.redistribute(placements=param.placements)  # type: ignore[attr-defined]
    return tuple(tensor.to_local() for tensor in (param, grad, *states))  # type: ignore[attr-defined]
