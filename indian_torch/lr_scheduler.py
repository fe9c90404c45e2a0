"""The step-size schedules of the core as PyTorch learning-rate schedulers.

Call ``scheduler.step()`` after every ``optimizer.step()``: k counts optimizer steps, not epochs. γ₀ is the learning
rate that the optimizer was made with. A constant step size needs no scheduler.
"""

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from indian_core.schedules import LogarithmicDecay, PowerDecay

__all__ = ["LogarithmicDecayLR", "PowerDecayLR"]


class PowerDecayLR(LambdaLR):
    """γ_k = γ₀(k + 1)^(−q), after a linear warm-up if there is one: see `indian_core.schedules.PowerDecay`.

    Args:
        optimizer: The optimizer whose learning rates to set.
        power: q >= 0; 1/2 is the papers' protocol.
        warmup_steps: Steps of linear warm-up, an integer >= 0.
        last_epoch: k of the last step taken; −1 at the start.

    Raises:
        TypeError, ValueError: ``power`` or ``warmup_steps`` is not a number in its range.

    Example:
        >>> import torch
        >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
        >>> scheduler = PowerDecayLR(optimizer, power=1.0)
        >>> optimizer.step()
        >>> scheduler.step()
        >>> scheduler.get_last_lr()
        [0.05]
    """

    def __init__(self, optimizer: Optimizer, power: float = 0.5, warmup_steps: int = 0, last_epoch: int = -1) -> None:
        super().__init__(optimizer, PowerDecay(1.0, power, warmup_steps), last_epoch)


class LogarithmicDecayLR(LambdaLR):
    """γ_k = γ₀ / log(k + e)^p: see `indian_core.schedules.LogarithmicDecay`.

    Args:
        optimizer: The optimizer whose learning rates to set.
        power: p >= 0; Assumption 1 of the paper asks for p > 1.
        last_epoch: k of the last step taken; −1 at the start.

    Raises:
        TypeError, ValueError: ``power`` is not a number in its range.

    Example:
        >>> import torch
        >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
        >>> LogarithmicDecayLR(optimizer, power=2.0).get_last_lr()
        [0.1]
    """

    def __init__(self, optimizer: Optimizer, power: float = 2.0, last_epoch: int = -1) -> None:
        super().__init__(optimizer, LogarithmicDecay(1.0, power), last_epoch)
