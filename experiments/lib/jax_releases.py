"""Functions of JAX and Optax that older releases have under other names."""

from types import SimpleNamespace
from typing import Any

import optax

__all__ = ["enable_x64", "optax_tree", "partition"]


def _enable_x64() -> Any:
    import jax.experimental

    return jax.enable_x64 if hasattr(jax, "enable_x64") else vars(jax.experimental)["enable_x64"]


def _optax_tree() -> Any:
    if hasattr(optax, "tree"):
        return optax.tree
    named = {name.removeprefix("tree_"): function for name, function in vars(optax.tree_utils).items()}
    return SimpleNamespace(**named, norm=named["l2_norm"])


enable_x64 = _enable_x64()
"""``jax.enable_x64``; before JAX 0.8 in ``jax.experimental``."""

partition = getattr(optax, "partition", optax.multi_transform)
"""``optax.partition``, the name of ``optax.multi_transform`` since Optax 0.2.5."""

optax_tree = _optax_tree()
"""``optax.tree``; before Optax 0.2.5, functions with longer names in ``optax.tree_utils``."""
