"""Names of optimizers that Keras would not make of the name of the class."""

import keras

__all__ = ["unique_name"]


def unique_name(name: str) -> str:
    """The name, or with a number behind it where Keras has given it before, as Keras names its own objects.

    Example:
        >>> keras.backend.clear_session()
        >>> unique_name("innaprop"), unique_name("innaprop")
        ('innaprop', 'innaprop_1')
    """
    # Of the count that Keras' own names come from.
    given = keras.backend.get_uid(name) - 1
    return f"{name}_{given}" if given else name
