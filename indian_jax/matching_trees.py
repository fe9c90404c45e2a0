"""Trees that must have the structure of another: which leaf does not fit."""

from typing import Any

import jax

__all__ = ["check_structure", "first_difference"]


def check_structure(name: str, tree: Any, expected_name: str, expected: Any) -> None:
    """Raise an error unless ``tree`` has the structure of ``expected``; a None in ``expected`` fits anything.

    Raises:
        ValueError: It has another, the message naming a leaf that only one of them has.
    """
    try:
        jax.tree.map(lambda *_: None, expected, tree, is_leaf=is_none)
    except ValueError as error:
        raise ValueError(
            f"{name} must have the structure of {expected_name}, {jax.tree.structure(expected)}, "
            f"got {jax.tree.structure(tree)}; {first_difference(tree, expected)}"
        ) from error


def first_difference(tree: Any, expected: Any) -> str:
    """What is wrong with ``tree``: a leaf that only one of the two has."""
    ours, theirs = _paths(tree), _paths(expected)
    for path in sorted(ours.keys() ^ theirs.keys()):
        if not any(leaf is None and path.startswith(above) for above, leaf in theirs.items()):
            return f"it {'has a' if path in ours else 'lacks the'} leaf {path or 'at its root'}"
    return "its nodes are of other types"


def _paths(tree: Any) -> dict[str, Any]:
    return {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree.leaves_with_path(tree, is_leaf=is_none)}


def is_none(node: Any) -> bool:
    """Whether a node is None, which JAX otherwise takes for a tree without leaves."""
    return node is None
