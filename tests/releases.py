"""What old releases of the frameworks lack themselves, so that a test cannot be run with them."""

import re
from types import ModuleType

import pytest

__all__ = ["is_older", "needs"]


def is_older(framework: ModuleType, release: str) -> bool:
    """Whether the installed release is older than this one."""
    return _numbers(framework.__version__) < _numbers(release)


def needs(framework: ModuleType, release: str, what: str) -> pytest.MarkDecorator:
    """Skips a test with an older release, which does not have what the test is about."""
    reason = f"{framework.__name__} {framework.__version__} lacks {what}, which came with {release}"
    return pytest.mark.skipif(is_older(framework, release), reason=reason)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version.partition("+")[0])))[:3]
