"""INDIAN (INNA), the inertial Newton optimizer, for Keras 3 on TensorFlow, JAX and PyTorch."""

try:
    import keras as _keras
except ModuleNotFoundError as error:
    raise ImportError(
        "indian_tf needs Keras 3 and one of its backends; install them with: pip install 'indian[tensorflow]'"
    ) from error
else:
    from importlib import import_module as _import_module

    from indian_core._frameworks import FRAMEWORKS as _FRAMEWORKS
    from indian_core._frameworks import refuse_old as _refuse_old

    _refuse_old("indian_tf", "tensorflow", _keras)
    if (_backend := _keras.backend.backend()) in _FRAMEWORKS:
        # The extras have the names of the backends.
        _refuse_old("indian_tf", _backend, _import_module(_backend))

from indian_tf.damped_adamw import DampedAdamW
from indian_tf.damped_sgd import DampedSGD
from indian_tf.innaprop import INNAprop
from indian_tf.optimizer import INDIAN, INNA
from indian_tf.schedules import LogarithmicDecay, PowerDecay

__all__ = ["INDIAN", "INNA", "DampedAdamW", "DampedSGD", "INNAprop", "LogarithmicDecay", "PowerDecay"]

if _backend == "tensorflow":
    from indian_tf.trust_region import TrustRegion
    from indian_tf.trust_region_model import TrustRegionModel

    __all__ += ["TrustRegion", "TrustRegionModel"]
else:

    def __getattr__(name: str) -> object:
        if name in ("TrustRegion", "TrustRegionModel"):
            raise ImportError(
                f"indian_tf.{name} needs Keras' TensorFlow backend, got {_backend}; "
                "for PyTorch there is indian_torch.TrustRegion, for JAX indian_jax.trust_region"
            )
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
