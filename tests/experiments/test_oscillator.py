"""The damped oscillator: the fit is the one that SciPy finds, and the truth is within its standard errors."""

import csv
import json

import numpy as np
import pytest
from scipy.optimize import curve_fit

from experiments.lib.jax_releases import enable_x64
from experiments.pictures import oscillator


def model(times, amplitude, damping, frequency, phase):
    return amplitude * np.exp(-damping * times) * np.cos(frequency * times + phase)


@pytest.fixture
def data():
    with enable_x64(True):
        yield oscillator.measurements(seed=1)


def test_fit_and_standard_errors_are_those_of_scipy(data):
    found = oscillator.fit(*data)
    assert found.gradient_norm <= oscillator.TOLERANCE
    assert 0 < found.steps < oscillator.MAX_STEPS
    expected, covariance = curve_fit(model, *map(np.asarray, data), list(oscillator.GUESS.values()), ftol=1e-15)
    np.testing.assert_allclose([found.params[name] for name in oscillator.GUESS], expected, rtol=1e-6)
    errors = oscillator.standard_errors(found.params, *data)
    np.testing.assert_allclose([errors[name] for name in oscillator.GUESS], np.sqrt(np.diag(covariance)), rtol=1e-4)


def test_table_shows_the_truth_within_the_errors(run_python, tmp_path, figures):
    result = run_python("-m", "experiments", "oscillator", "--output", tmp_path)
    assert result.returncode == 0, result.stderr
    rows = [line.split() for line in result.stdout.splitlines() if line.startswith(tuple(oscillator.TRUE))]
    assert [row[0] for row in rows] == list(oscillator.TRUE)
    with (tmp_path / "parameters.csv").open(encoding="utf-8", newline="") as file:
        written = [[name, *(f"{float(value):.4f}" for value in values)] for name, *values in list(csv.reader(file))[1:]]
    assert written == rows
    assert "oscillator.svg" in figures(tmp_path)
    configuration = json.loads((tmp_path / "configuration.json").read_text(encoding="utf-8"))
    assert (configuration["seed"], configuration["dtype"]) == (0, "float64")
    assert configuration["versions"]["jax"]
    for _, guess, true, recovered, error in ([row[0], *map(float, row[1:])] for row in rows):
        assert abs(recovered - true) < 3 * error < abs(guess - true)


def test_search_without_an_end_is_reported(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(oscillator, "MAX_STEPS", 3)
    oscillator.fit.clear_cache()
    with pytest.raises(SystemExit, match="No minimum was found in 3 steps"):
        oscillator.main(["--output", str(tmp_path)])
    assert "3 steps" in capsys.readouterr().out
    oscillator.fit.clear_cache()
