"""INDIAN (INNA), the inertial Newton optimizer, as an Optax gradient transformation."""

try:
    import optax as _optax  # noqa: F401
except ModuleNotFoundError as error:
    raise ImportError("indian_jax needs JAX and Optax; install them with: pip install 'indian[jax]'") from error

from indian_jax.schedules import logarithmic_decay, power_decay
from indian_jax.transformation import INNA, INDIANState, indian, inna, phase

__all__ = ["INNA", "INDIANState", "indian", "inna", "logarithmic_decay", "phase", "power_decay"]
