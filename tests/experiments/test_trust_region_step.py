"""What the picture of a step claims."""

import csv
import json

import numpy as np

from experiments.pictures.trust_region_step import RADIUS, main, panels


def test_steps_stay_in_the_region_and_the_ellipsoid_and_lanczos_go_further_down():
    ball, ellipsoid, saddle = panels()
    steps = [panel.step(method, 2) for panel in (ball, ellipsoid, saddle) for method in panel.methods]
    regions = (ball, ellipsoid, saddle, saddle)
    for panel, found in zip(regions, steps, strict=True):
        assert found.step @ (panel.diagonal * found.step) <= RADIUS**2 * (1 + 1e-12)
    in_ball, in_ellipsoid, by_gradients, by_lanczos = (found.model_decrease for found in steps)
    assert in_ball < 0.9 * in_ellipsoid
    assert by_gradients < by_lanczos
    newton = -np.linalg.solve(ellipsoid.hessian, ellipsoid.gradient)
    np.testing.assert_allclose(steps[1].step, newton)


def test_experiment_writes_the_picture_and_its_table(tmp_path):
    main(["--output", str(tmp_path)])
    assert {path.name for path in tmp_path.iterdir()} == {
        *("step.png", "step.svg", "table.md", "steps.csv", "configuration.json")
    }
    with (tmp_path / "steps.csv").open(encoding="utf-8", newline="") as file:
        written = [float(row["decrease"]) for row in csv.DictReader(file)]
    table = (tmp_path / "table.md").read_text(encoding="utf-8").splitlines()[2:]
    assert [f"{decrease:.3f}" for decrease in written] == [row.split("|")[3].strip() for row in table]
    configuration = json.loads((tmp_path / "configuration.json").read_text(encoding="utf-8"))
    assert (configuration["radius"], len(configuration["panels"])) == (RADIUS, 3)
    assert configuration["versions"]["numpy"]
