"""What is asked of a config beyond what Keras asks."""

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["check_keys"]


def check_keys(of: str, config: Mapping[str, Any], required: Sequence[str]) -> None:
    """Raise an error unless a config has these keys, for which defaults of today would replace what was saved.

    Args:
        of: Name of the class.
        config: As from its ``get_config``.
        required: The keys.

    Raises:
        ValueError: A key is missing.

    Example:
        >>> check_keys("INDIAN", {"alpha": 0.5}, ["alpha", "beta"])
        Traceback (most recent call last):
        ...
        ValueError: the config of INDIAN must have the keys alpha, beta; it has no beta
    """
    missing = [key for key in required if key not in config]
    if missing:
        raise ValueError(
            f"the config of {of} must have the keys {', '.join(required)}; it has no {', no '.join(missing)}"
        )
