"""INDIAN (INNA), the inertial Newton optimizer, as an Optax gradient transformation."""

try:
    import jax as _jax
    import optax as _optax
except ModuleNotFoundError as error:
    raise ImportError("indian_jax needs JAX and Optax; install them with: pip install 'indian[jax]'") from error
else:
    from indian_core._frameworks import refuse_old as _refuse_old

    _refuse_old("indian_jax", "jax", _jax, _optax)

from indian_jax._trust_region.composite_loss import CompositeLoss
from indian_jax.damped_adamw import damped_adamw, scale_by_damped_adam
from indian_jax.damped_momentum import scale_by_damped_momentum
from indian_jax.damped_sgd import damped_sgd
from indian_jax.ellipsoidal_trust_region import TrustRegionState, trust_region
from indian_jax.innaprop import INNAprop, innaprop
from indian_jax.phase import phase
from indian_jax.schedules import logarithmic_decay, power_decay
from indian_jax.transformation import INNA, INDIANState, indian, inna
from indian_jax.until_accepted import until_accepted

__all__ = [
    "INNA",
    "CompositeLoss",
    "INDIANState",
    "INNAprop",
    "TrustRegionState",
    "damped_adamw",
    "damped_sgd",
    "indian",
    "inna",
    "innaprop",
    "logarithmic_decay",
    "phase",
    "power_decay",
    "scale_by_damped_adam",
    "scale_by_damped_momentum",
    "trust_region",
    "until_accepted",
]
