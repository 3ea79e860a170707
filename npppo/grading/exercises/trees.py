"""Walks over results and arguments: arrays and numbers in lists and tuples, to any depth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeGuard


def several(tree: Any) -> TypeGuard[list[Any] | tuple[Any, ...]]:
    """Whether it branches: a list or a tuple."""
    return isinstance(tree, list | tuple)


def leaves(tree: Any) -> Iterator[Any]:
    """All that is no list and no tuple, from left to right."""
    if isinstance(tree, list | tuple):
        for branch in tree:
            yield from leaves(branch)
    else:
        yield tree


def mapped(change: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """The tree with change(leaf) for each leaf; or change(leaf, other, ...) of trees alike."""
    if isinstance(tree, list | tuple):
        return type(tree)(mapped(change, *branches) for branches in zip(tree, *others, strict=True))
    return change(tree, *others)


def side_by_side(a: Any, b: Any) -> list[tuple[Any, Any]] | None:
    """The leaves of two trees in pairs, or None where the trees are not alike."""
    if not isinstance(a, list | tuple) and not isinstance(b, list | tuple):
        return [(a, b)]
    if not isinstance(a, list | tuple) or not isinstance(b, list | tuple) or len(a) != len(b):
        return None
    pairs = [side_by_side(x, y) for x, y in zip(a, b, strict=True)]
    return None if None in pairs else [pair for some in pairs if some is not None for pair in some]
