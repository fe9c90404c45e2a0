"""The benchmark of the trust region runs; what it measures means nothing at this size."""

import re

import pytest

from benchmarks import trust_region


def test_runs_on_small_networks(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(trust_region, "WIDTHS", {"13 parameters": (1, 4, 1)})
    monkeypatch.setattr(trust_region, "BATCH", 4)
    monkeypatch.setattr(trust_region, "FRAMEWORKS", {"PyTorch": trust_region.torch_search})
    trust_region.main(["--rounds=1", "--scale=0.01"])
    printed = capsys.readouterr().out
    assert re.search(r"\| steihaug, \d+ in a step \| .* \|", printed)
    assert re.search(r"\| lanczos, \d+ in a step \| .* \|", printed)
    for method in ("TrustRegion", "LBFGS", "Adam"):
        assert f"| {method} | " in printed


@pytest.mark.thorough
@pytest.mark.parametrize("framework", trust_region.FRAMEWORKS)
def test_every_timed_step_is_the_same(framework: str) -> None:
    search = trust_region.FRAMEWORKS[framework]((2, 5, 1), 4, 20)
    search.product()
    for step in search.steps.values():
        assert step() == step() > 2
