"""INDIAN (INNA), the inertial Newton optimizer, for Keras 3 on TensorFlow, JAX and PyTorch."""

try:
    import keras as _keras  # noqa: F401
except ModuleNotFoundError as error:
    raise ImportError(
        "indian_tf needs Keras 3 and one of its backends; install them with: pip install 'indian[tensorflow]'"
    ) from error

from indian_tf.innaprop import INNAprop
from indian_tf.learning_rate_schedules import LogarithmicDecay, PowerDecay
from indian_tf.optimizer import INDIAN, INNA

__all__ = ["INDIAN", "INNA", "INNAprop", "LogarithmicDecay", "PowerDecay"]
