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
        fits = jax.tree.all(jax.tree.map(_has_leaf, expected, tree, is_leaf=is_none))
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"{name} must have the structure of {expected_name}, {jax.tree.structure(expected)}, "
            f"got {jax.tree.structure(tree)}; {first_difference(tree, expected)}"
        )


def _has_leaf(expected: Any, node: Any) -> bool:
    # `jax.tree.map` takes any tree, an empty one among them, where the first has a leaf.
    return expected is None or (node is not None and jax.tree_util.all_leaves([node]))


def first_difference(tree: Any, expected: Any) -> str:
    """What is wrong with ``tree``: a leaf that only one of the two has."""
    theirs = _paths(expected)
    # A None where the other has a leaf is no leaf.
    ours = {path: leaf for path, leaf in _paths(tree).items() if leaf is not None or theirs.get(path) is None}
    for path in sorted(ours.keys() ^ theirs.keys()):
        if not any(leaf is None and path.startswith(above) for above, leaf in theirs.items()):
            return f"it {'has a' if path in ours else 'lacks the'} leaf {path or 'at its root'}"
    return "its nodes are of other types"


def _paths(tree: Any) -> dict[str, Any]:
    return {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree.leaves_with_path(tree, is_leaf=is_none)}


def is_none(node: Any) -> bool:
    """Whether a node is None, which JAX otherwise takes for a tree without leaves."""
    return node is None
