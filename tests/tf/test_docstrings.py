"""The examples of the public docstrings run as a user would paste them: nothing is imported beforehand."""

import doctest
import inspect

import pytest

import indian_tf

_PUBLIC = [getattr(indian_tf, name) for name in indian_tf.__all__ if name != "INNA"]
_DOCUMENTED = list(
    dict.fromkeys(
        [
            *_PUBLIC,
            *(
                member
                for public in _PUBLIC
                for cls in inspect.getmro(public)
                if cls.__module__.startswith("indian_tf.")
                for name, member in vars(cls).items()
                if inspect.isfunction(member) and name[0] != "_"
            ),
        ]
    )
)
_WITH_EXAMPLES = [thing for thing in _DOCUMENTED if ">>>" in (thing.__doc__ or "")]


def test_every_public_class_has_an_example():
    assert set(_PUBLIC) <= set(_WITH_EXAMPLES)


@pytest.mark.parametrize("documented", _WITH_EXAMPLES, ids=lambda thing: thing.__qualname__)
def test_examples_run_as_pasted(documented):
    (test,) = doctest.DocTestFinder(recurse=False).find(documented, name=documented.__qualname__, globs={})
    report: list[str] = []
    failures, attempts = doctest.DocTestRunner().run(test, out=report.append)
    assert attempts > 0
    assert failures == 0, "".join(report)
