"""Trees that must have one structure, and which leaf does not fit."""

from typing import Any

import jax

__all__ = ["check_accumulator", "check_structure", "first_difference"]


def check_structure(name: str, tree: Any, expected_name: str, expected: Any) -> None:
    """Raise an error unless ``tree`` has the structure of ``expected``; a None in ``expected`` fits anything.

    Raises:
        ValueError: The structures differ; the message names a leaf that only one of the trees has.
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


def check_accumulator(accumulator: Any, norm: str | None, expected_name: str, expected: Any) -> None:
    """Raise an error unless a state has the accumulator of the norm: of the structure of ``expected``, or none.

    Raises:
        ValueError: The state was made with a norm, and there is none now, or the reverse; or the structures differ.
    """
    if norm is not None:
        check_structure("state", accumulator, expected_name, expected)
    elif accumulator is not None:
        raise ValueError("state must be one without a norm, got one with an accumulator, as a norm has")


def _has_leaf(expected: Any, node: Any) -> bool:
    # `jax.tree.map` accepts any tree, even an empty one, where its first tree has a leaf.
    return expected is None or (node is not None and jax.tree_util.all_leaves([node]))


def first_difference(tree: Any, expected: Any) -> str:
    """Say where ``tree`` does not fit: a leaf that only one of the two trees has."""
    theirs = _paths(expected)
    # A None does not count as a leaf where the other tree has one.
    ours = {path: leaf for path, leaf in _paths(tree).items() if leaf is not None or theirs.get(path) is None}
    for path in sorted(ours.keys() ^ theirs.keys()):
        if not any(leaf is None and path.startswith(above) for above, leaf in theirs.items()):
            return f"it {'has a' if path in ours else 'lacks the'} leaf {path or 'at its root'}"
    return "its nodes are of other types"


def _paths(tree: Any) -> dict[str, Any]:
    return {
        jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree, is_leaf=is_none)
    }


def is_none(node: Any) -> bool:
    """Whether a node is None; without this as ``is_leaf``, JAX takes None for a tree without leaves."""
    return node is None
