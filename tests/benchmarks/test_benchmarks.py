"""Every benchmark runs; what it measures means nothing at this size."""

import importlib

import pytest


@pytest.mark.parametrize(
    ("name", "function"), [("torch_step", "main"), ("jax_step", "main"), ("keras_step", "one_backend")]
)
def test_runs_on_small_tensors(
    name: str, function: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = importlib.import_module(f"benchmarks.{name}")
    monkeypatch.setattr(module, "SIZES", {"30 parameters in 3 tensors": (3, 10)})
    monkeypatch.setattr("sys.argv", [name, "--rounds=1", "--scale=0.5"])
    getattr(module, function)()
    printed = capsys.readouterr().out
    assert "30 parameters in 3 tensors" in printed
    assert printed.count("| INDIAN") >= 2
    assert "| Keras Adam" in printed if name == "keras_step" else "| AdamW" in printed
