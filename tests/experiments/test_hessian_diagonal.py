"""The diagonal share of Hessians: its formulas against simulation, and the rows against PyTorch's own Hessian."""

import json
import math

import numpy as np
import pytest
import torch

from experiments.lib.curves import markdown_table
from experiments.papers import hessian_diagonal as diagonal


def test_share_of_matrices_that_one_can_add_up():
    assert diagonal.share(np.eye(3)) == 1
    assert diagonal.share(np.ones((4, 4))) == 0.25
    assert diagonal.share(np.array([[1.0, -2.0], [-2.0, 3.0]])) == 0.5
    assert diagonal.share(np.zeros((2, 2))) == 0


def test_proposition_1_is_what_wigner_matrices_have():
    drawn = np.mean([diagonal.simulated_wigner(60, seed) for seed in range(20)])
    assert drawn == pytest.approx(diagonal.wigner_share(60), rel=0.05)
    # Off-diagonal entries of half the deviation.
    entries = np.random.default_rng(0).standard_normal((200, 200))
    lower = np.triu(entries, 1) / 2
    assert diagonal.share(np.diag(np.diag(entries)) + lower + lower.T) == pytest.approx(
        diagonal.wigner_share(200, 0.5), rel=0.1
    )


@pytest.mark.parametrize(("samples", "within"), [(400, 0.02), (5, 0.2)])
def test_proposition_2_is_what_least_squares_have(samples, within):
    features = np.random.default_rng(0).standard_normal((30, samples, 50)) * 3
    drawn = np.mean([diagonal.simulated_ols(each) for each in features])
    assert drawn == pytest.approx(diagonal.ols_share_gaussian(50, samples), rel=0.02)
    assert drawn == pytest.approx(diagonal.ols_share(50, samples), rel=within)


def test_one_gaussian_sample_has_the_mean_of_a_product_of_two_normals():
    assert diagonal.ols_share_gaussian(11, 1) == pytest.approx(1 / (1 + 10 * 2 / math.pi))


def test_rows_are_those_of_the_hessian():
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
    x, y = torch.randn(7, 3), torch.tensor([0, 1, 1, 0, 1, 0, 0])
    params = list(network.parameters())
    sizes = [p.numel() for p in params]

    def loss(flat):
        pieces = [piece.reshape(p.shape) for piece, p in zip(flat.split(sizes), params, strict=True)]
        named = dict(zip(dict(network.named_parameters()), pieces, strict=True))
        return torch.nn.functional.cross_entropy(torch.func.functional_call(network, named, x), y)

    whole = torch.autograd.functional.hessian(loss, torch.cat([p.detach().flatten() for p in params])).numpy()
    value = torch.nn.functional.cross_entropy(network(x), y)
    for row, index in diagonal._rows(params, value, np.array([0, 5, 17, 25])):
        np.testing.assert_allclose(row, whole[index], atol=1e-6)
    everything = list(diagonal._rows(params, torch.nn.functional.cross_entropy(network(x), y), np.arange(sum(sizes))))
    assert diagonal.row_shares(everything) == pytest.approx(diagonal.share(whole), rel=1e-4)


def test_experiment_writes_its_results_and_resumes(tmp_path, capsys, figures):
    arguments = ["--scale", "quick", "--seeds", "1", "--workers", "1", "--output", str(tmp_path)]
    diagonal.main(arguments)
    first = capsys.readouterr().out
    stored = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").iterdir()}
    diagonal.main(arguments)
    assert capsys.readouterr().out == first
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").iterdir()} == stored
    drawn = figures(tmp_path)
    assert {"batch_sizes.svg", "dimensions.svg"} < drawn.keys()
    names = {"table.md", "shares.csv", "simulated.csv", "configuration.json"}
    assert {path.name for path in tmp_path.iterdir()} == drawn.keys() | {*names, "runs"}
    assert json.loads((tmp_path / "configuration.json").read_text())["seeds"] == 1
    header = (tmp_path / "table.md").read_text().splitlines()[2]
    assert header == markdown_table(header.strip("| ").split(" | "), []).splitlines()[0]
    # Two batch sizes of the middle networks and one of the other, at three stages.
    assert len((tmp_path / "shares.csv").read_text().splitlines()) == 1 + 3 * (2 + 2 + 1)
