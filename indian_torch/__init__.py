"""INDIAN (INNA), the inertial Newton optimizer, for PyTorch."""

try:
    import torch as _torch
except ModuleNotFoundError as error:
    raise ImportError("indian_torch needs PyTorch; install it with: pip install 'indian[torch]'") from error
else:
    from indian_core._frameworks import refuse_old as _refuse_old

    _refuse_old("indian_torch", "torch", _torch)

from indian_torch.damped_adamw import DampedAdamW
from indian_torch.damped_sgd import DampedSGD
from indian_torch.innaprop import INNAprop
from indian_torch.lr_scheduler import LogarithmicDecayLR, PowerDecayLR
from indian_torch.optimizer import INDIAN, INNA
from indian_torch.trust_region import TrustRegion

__all__ = [
    "INDIAN",
    "INNA",
    "DampedAdamW",
    "DampedSGD",
    "INNAprop",
    "LogarithmicDecayLR",
    "PowerDecayLR",
    "TrustRegion",
]
