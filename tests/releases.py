"""What old releases of the frameworks lack themselves, so that a test cannot be run with them."""

import re
from types import ModuleType

import pytest

__all__ = ["is_older", "needs", "needs_name"]


def is_older(framework: ModuleType, release: str) -> bool:
    """Whether the installed release is older than this one."""
    return _numbers(framework.__version__) < _numbers(release)


def needs(framework: ModuleType, release: str, what: str) -> pytest.MarkDecorator:
    """Skips a test with a release older than this one, which has what the test is about."""
    reason = f"{framework.__name__} {framework.__version__} lacks {what}, which {release} has"
    return pytest.mark.skipif(is_older(framework, release), reason=reason)


def needs_name(module: ModuleType, name: str) -> pytest.MarkDecorator:
    """Skips a test with a release that has no such name."""
    return pytest.mark.skipif(not hasattr(module, name), reason=f"{module.__name__} of this release has no {name}")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version.partition("+")[0])))[:3]
