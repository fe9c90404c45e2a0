"""How much of a network's Hessian lies on the diagonal: its share beside those of Wigner and least-squares matrices.

Figures 2 and 6 and Propositions 1 and 2 of Kohler, Adolphs, Lucchi, "Adaptive norms for deep learning with regularized
Newton methods" (2019). The share is the sum of the absolute diagonal entries over that of all. It is measured for
perceptrons and small convolutional networks of several sizes, before, half-way through and after training, on batches
of several sizes. Of a Hessian with many rows some are drawn at random. At the quick scale, unless ``--data`` names
images, the images are handwritten digits. Run with::

    python -m experiments hessian_diagonal --data DIR
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from experiments.lib import data
from experiments.lib.command_line import parser
from experiments.lib.comparison import explained
from experiments.lib.curves import markdown_table, read_csv, write_csv, write_json
from experiments.lib.figures import drawing, legend_below
from experiments.lib.runs import Job, code_version, execute, versions

__all__ = ["main", "measure", "ols_share", "ols_share_gaussian", "redraw", "row_shares", "share", "wigner_share"]

STAGES: Final = ("at the start", "half-way", "at the end")

SCALES: Final[Mapping[str, Mapping[str, Any]]] = {
    "quick": {
        "images": {"training": 200, "validation": 0, "test": 100},
        "networks": {"perceptron": [[3], [6]], "convnet": [[2, 3]]},
        "batch_sizes": [8, 32],
        "common_batch": 32,
        "rows": 20,
        "steps": 20,
        "seeds": 2,
    },
    "standard": {
        "images": {"training": 5000, "validation": 0, "test": 100},
        "networks": {"perceptron": [[4], [16], [64]], "convnet": [[4, 8], [8, 16], [12, 24]]},
        "batch_sizes": [8, 32, 128],
        "common_batch": 128,
        "rows": 120,
        "steps": 1500,
        "seeds": 2,
    },
    "paper": {
        "images": {"training": 50_000, "validation": 0, "test": 100},
        "networks": {"perceptron": [[16], [128], [512]], "convnet": [[8, 16], [16, 32, 64], [32, 64, 64]]},
        "batch_sizes": [8, 32, 128, 512, 2048],
        "common_batch": 512,
        "rows": 2000,
        "steps": 30_000,
        "seeds": 10,
    },
}
"""The middle network of each kind is measured on all batch sizes, the others on the common one."""

TRAINING_BATCH: Final = 32


# --- Shares -----------------------------------------------------------------------------------------------------------


def share(matrix: NDArray[Any]) -> float:
    """Σ|Aᵢᵢ| / Σ|Aᵢⱼ|, of a square matrix; 0 of a matrix of zeros.

    Example:
        >>> share(np.array([[2.0, -1.0], [1.0, 0.0]]))
        0.5
    """
    return row_shares([(matrix[i], i) for i in range(len(matrix))])


def row_shares(rows: Sequence[tuple[NDArray[Any], int]]) -> float:
    """The same from some rows, each with its index: an estimate, unless they are all rows."""
    on_diagonal = sum(abs(float(row[i])) for row, i in rows)
    everywhere = sum(float(np.abs(row).sum(dtype=np.float64)) for row, _ in rows)
    return on_diagonal / everywhere if everywhere else 0.0


def wigner_share(dimension: float, spread: float = 1.0) -> float:
    """Proposition 1: the share in the expected absolute values of a Gaussian Wigner matrix.

    The d diagonal entries have the expectation √(2/π) σ₁ and the d(d − 1) others √(2/π) σ₂, so the share is
    1 / (1 + (d − 1) σ₂/σ₁), which is 1/d for entries of one distribution. (Derived here: the paper's text is not to
    be had with its formulas.)

    Args:
        dimension: d.
        spread: σ₂/σ₁.

    Example:
        >>> wigner_share(100)
        0.01
    """
    return 1 / (1 + (dimension - 1) * spread)


def ols_share(dimension: float, samples: float) -> float:
    """Proposition 2: that of the Hessian Σ xᵢxᵢᵀ of least squares with independent features, for many samples.

    With n samples of variance σ² a diagonal entry has the expectation nσ². An entry off the diagonal is a sum of n
    independent products of variance σ⁴, for large n Gaussian, and so √(2n/π) σ² in the mean of its absolute value. The
    share is √n / (√n + (d − 1) √(2/π)). (Derived here, too.)

    Args:
        dimension: d.
        samples: n.

    Example:
        >>> round(ols_share(101, 10_000), 3)
        0.556
    """
    return math.sqrt(samples) / (math.sqrt(samples) + (dimension - 1) * math.sqrt(2 / math.pi))


def ols_share_gaussian(dimension: float, samples: float) -> float:
    """The same for Gaussian features and any number of samples, which the paper leaves open.

    Given one feature's column u, the product uᵀv with another's is Gaussian with deviation ‖u‖σ, so the mean of its
    absolute value is √(2/π) σ E‖u‖ = √(2/π) σ² √2 Γ((n + 1)/2) / Γ(n/2).

    Example:
        >>> abs(ols_share_gaussian(101, 10_000) / ols_share(101, 10_000) - 1) < 1e-4
        True
    """
    length = math.sqrt(2) * math.exp(math.lgamma((samples + 1) / 2) - math.lgamma(samples / 2))
    return samples / (samples + (dimension - 1) * math.sqrt(2 / math.pi) * length)


def simulated_wigner(dimension: int, seed: int) -> float:
    """The share of one symmetric matrix of standard normal entries."""
    entries = np.random.default_rng(seed).standard_normal((dimension, dimension))
    return share(np.triu(entries) + np.triu(entries, 1).T)


def simulated_ols(features: NDArray[Any]) -> float:
    """The share of XᵀX, of features in the columns of X."""
    return share(features.T @ features)


# --- Networks ---------------------------------------------------------------------------------------------------------


def measure(configuration: Mapping[str, Any], source: Path | None) -> dict[str, Any]:
    """Train a network with RMSProp, and measure the share at the start, half-way and at the end.

    Args:
        configuration: data; network (a name in `experiments.lib.networks.torch_models` or "convnet", and its widths);
            batch_sizes to measure on; rows to draw; steps of training; seed.
        source: What the user named with ``--data``.

    Returns:
        ``parameters``, their number; ``rows``, how many were drawn; ``loss``, of the first examples, and ``shares``, a
        list by batch size, for each of `STAGES`.
    """
    import torch
    from torch.nn.functional import cross_entropy

    torch.set_num_threads(1)
    parts, classes = data.load(configuration["data"], source)
    training = parts["training"]
    network = _network(configuration, training.spread(1)[0].shape[1:], classes)
    params = list(network.parameters())
    number = sum(param.numel() for param in params)
    generator = np.random.default_rng(configuration["seed"])
    drawn = np.sort(generator.permutation(number)[: configuration["rows"]])
    # In the same order for all stages: a larger batch holds the smaller.
    shown = generator.permutation(len(training))
    batches = [tuple(map(torch.from_numpy, training.take(shown[:n]))) for n in configuration["batch_sizes"]]
    optimizer = torch.optim.RMSprop(params, lr=1e-3)
    order = data.batches(len(training), TRAINING_BATCH, configuration["seed"])
    found: dict[str, Any] = {"parameters": number, "rows": len(drawn), "loss": [], "shares": []}

    def record() -> None:
        found["loss"].append(cross_entropy(network(batches[-1][0]), batches[-1][1]).item())
        found["shares"].append(
            [row_shares(list(_rows(params, cross_entropy(network(x), y), drawn))) for x, y in batches]
        )

    record()
    for step in range(1, configuration["steps"] + 1):
        x, y = map(torch.from_numpy, training.take(next(order)))
        optimizer.zero_grad()
        cross_entropy(network(x), y).backward()
        optimizer.step()
        if step in (configuration["steps"] // 2, configuration["steps"]):
            record()
    return found


def _network(configuration: Mapping[str, Any], input_shape: tuple[int, ...], classes: int) -> Any:
    """A perceptron with tanh, or convolutions with ReLU."""
    from experiments.lib.networks.architectures import convnet
    from experiments.lib.networks.torch_models import build
    from experiments.lib.networks.torch_network import TorchNetwork

    widths, seed = configuration["network"]["widths"], configuration["seed"]
    if configuration["network"]["name"] == "convnet":
        described = convnet(input_shape, classes, tuple(widths))
        return TorchNetwork(described, described.initial_weights(seed))
    return build({"name": "tanh_perceptron", "widths": widths}, input_shape, classes, seed)


def _rows(params: Sequence[Any], loss: Any, indices: NDArray[np.int64]) -> Iterator[tuple[NDArray[Any], int]]:
    """Some rows of the Hessian: the derivatives of entries of the gradient."""
    import torch

    gradients = torch.autograd.grad(loss, params, create_graph=True)
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    for index in indices:
        # Where nothing depends on the entry, as of a bias in a linear last layer of one unit, the row is 0.
        row = torch.autograd.grad(flat[int(index)], params, retain_graph=True, allow_unused=True)
        parts = [torch.zeros_like(p) if part is None else part for p, part in zip(params, row, strict=True)]
        yield torch.cat([part.flatten() for part in parts]).numpy(), int(index)


# --- Figures and table ------------------------------------------------------------------------------------------------

Findings = Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]
"""Configurations and results."""


def _draw_batches(path: Path, findings: Findings, kinds: Sequence[tuple[str, str]], middle: Mapping[str, Any]) -> None:
    """Shares of the middle networks over the batch size."""
    rows = -(-len(kinds) // 2)
    with drawing(path, rows=rows, columns=2, height=0.8 + 2.9 * rows, sharex=True) as (figure, axes):
        for panel, (name, kind) in zip(axes.flat, kinds, strict=False):
            of_kind = [(c, r) for c, r in findings if _is(c, name, kind) and c["network"]["widths"] == middle[kind]]
            sizes, number = of_kind[0][0]["batch_sizes"], of_kind[0][1]["parameters"]
            for i, stage in enumerate(STAGES):
                shares = np.array([result["shares"][i] for _, result in of_kind])
                panel.plot(sizes, shares.mean(0), "o-", color=f"C{i}", label=f"network {stage}")
                panel.fill_between(sizes, shares.min(0), shares.max(0), color=f"C{i}", alpha=0.2, linewidth=0)
            panel.plot(sizes, [ols_share_gaussian(number, n) for n in sizes], "k--", label="least squares")
            panel.axhline(wigner_share(number), color="black", linestyle=":", label="Wigner")
            panel.set(xscale="log", yscale="log", title=f"{kind}, {name}, {number} parameters")
            panel.grid(alpha=0.25)
        for panel in axes[-1]:
            panel.set_xlabel("batch size")
        for panel in axes[:, 0]:
            panel.set_ylabel("diagonal share")
        legend_below(figure, axes.flat)


def _draw_dimensions(
    path: Path, findings: Findings, kinds: Sequence[tuple[str, str]], simulated: Sequence[Mapping[str, Any]], batch: int
) -> None:
    """Shares of all networks over the number of parameters, with the propositions and simulations."""
    largest = max(result["parameters"] for _, result in findings)
    dimensions = np.geomspace(10, largest, 100)
    with drawing(path, rows=2, height=8.5, sharex=True) as (_, ((random,), (networks,))):
        for panel, samples in ((random, {32: "--", 512: "-."}), (networks, {batch: "--"})):
            panel.plot(dimensions, [wigner_share(d) for d in dimensions], "k:", label="Proposition 1:\nWigner")
            for n, style in samples.items():
                shares = [ols_share(d, n) for d in dimensions]
                panel.plot(dimensions, shares, style, color="0.4", label=f"Proposition 2:\nleast squares, n = {n}")
            panel.set(xscale="log", yscale="log", ylabel="diagonal share")
            panel.grid(alpha=0.25)
        for i, source in enumerate(dict.fromkeys(row["matrix"] for row in simulated)):
            rows = [row for row in simulated if row["matrix"] == source]
            places, shares = [row["dimension"] for row in rows], [row["share"] for row in rows]
            random.plot(places, shares, "o", color=f"C{i}", label=source.replace("squares, ", "squares,\n"))
        for i, (name, kind) in enumerate(kinds):
            for stage, marker in ((0, "o"), (2, "*")):
                points = _by_size([(c, r) for c, r in findings if _is(c, name, kind)], batch, stage)
                label = f"{kind}, {name},\n{STAGES[stage]}"
                networks.plot(*zip(*points, strict=True), f"{marker}-", color=f"C{i}", linewidth=0.8, label=label)
        random.set_title("random matrices and images")
        networks.set(title=f"networks, batch size {batch}", xlabel="dimension")
        for panel in (random, networks):
            panel.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)


def _is(configuration: Mapping[str, Any], name: str, kind: str) -> bool:
    return configuration["data"]["name"] == name and configuration["network"]["name"] == kind


def _by_size(findings: Findings, batch: int, stage: int) -> list[tuple[int, float]]:
    """Number of parameters and mean share of networks of one kind."""
    shares: dict[int, list[float]] = {}
    for configuration, result in findings:
        place = configuration["batch_sizes"].index(batch)
        shares.setdefault(result["parameters"], []).append(result["shares"][stage][place])
    return [(number, float(np.mean(values))) for number, values in sorted(shares.items())]


def _simulated(
    names: Sequence[str], source: Path | None, sizes: Mapping[str, Any], halved: Callable[[str], bool]
) -> list[dict[str, Any]]:
    """Shares of Wigner matrices, of least squares with Gaussian features, and with pixels of images, as rows."""
    rows = []
    for dimension in (10, 30, 100, 300, 1000):
        rows.append({"matrix": "Wigner, drawn", "dimension": dimension, "share": simulated_wigner(dimension, 0)})
        for n in (32, 512):
            features = np.random.default_rng(1).standard_normal((n, dimension))
            label = f"least squares, Gaussian, n = {n}"
            rows.append({"matrix": label, "dimension": dimension, "share": simulated_ols(features)})
    for name in names:
        parts, _ = data.load(data.images(name, source, **sizes["images"], halved=halved(name)), source)
        images = parts["training"].spread(512)[0].reshape(-1, math.prod(parts["training"].spread(1)[0].shape[1:]))
        pixels = np.random.default_rng(2).permutation(images.shape[1])
        for dimension in (10, 30, 100, 300):
            if dimension <= len(pixels):
                features = images[:, pixels[:dimension]].astype(np.float64)
                label = f"least squares, {name} pixels, n = {len(images)}"
                rows.append({"matrix": label, "dimension": dimension, "share": simulated_ols(features)})
    return sorted(rows, key=lambda row: row["matrix"])


def _table(findings: Findings, kinds: Sequence[tuple[str, str]], batch: int) -> str:
    """Shares on the common batch, and how many times those of random matrices they are."""
    header = ["network", "data", "parameters", *STAGES, "Wigner", "least squares", "smallest stage / larger of the two"]
    rows = []
    for name, kind in kinds:
        of_kind = [(c, r) for c, r in findings if _is(c, name, kind)]
        stages = [_by_size(of_kind, batch, i) for i in range(len(STAGES))]
        for points in zip(*stages, strict=True):
            number, shares = points[0][0], [value for _, value in points]
            random = (wigner_share(number), ols_share_gaussian(number, batch))
            numbers = [f"{value:.2g}" for value in (*shares, *random)]
            rows.append([kind, name, str(number), *numbers, f"{min(shares) / max(random):.1f}"])
    return f"Batch size {batch}.\n\n{markdown_table(header, rows)}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, measure, and write figures, a table and the configuration."""
    options = parser("hessian_diagonal", __doc__, ["data", "seeds", "scale", "workers"]).parse_args(arguments)
    sizes, folder, source = SCALES[options.scale], options.output, options.data
    seeds = options.seeds or sizes["seeds"]
    names = ("digits",) if options.scale == "quick" and source is None else ("mnist", "cifar10")

    def halved(name: str) -> bool:
        return options.scale != "paper" and name != "digits"

    middle = {kind: widths[len(widths) // 2] for kind, widths in sizes["networks"].items()}
    kinds = [(name, kind) for kind in sizes["networks"] for name in names]
    with explained():
        described = {name: data.images(name, source, **sizes["images"], halved=halved(name)) for name in names}
        configurations: list[dict[str, Any]] = [
            {
                "data": described[name],
                "network": {"name": kind, "widths": widths},
                "batch_sizes": sizes["batch_sizes"] if widths == middle[kind] else [sizes["common_batch"]],
                "rows": sizes["rows"],
                "steps": sizes["steps"],
                "seed": seed,
            }
            for name, kind in kinds
            for widths in sizes["networks"][kind]
            for seed in range(seeds)
        ]
        libraries = ("numpy", "torch")
        modules = ("experiments.lib.networks.torch_models", "experiments.lib.networks.torch_network")
        sources = (*modules, "experiments.lib.networks.architectures")
        jobs = [Job("experiments.papers.hessian_diagonal:measure", c, sources, libraries) for c in configurations]
        results = execute(jobs, folder / "runs", options.workers, "Hessians", {"source": source})
    findings = list(zip(configurations, results, strict=True))
    simulated = _simulated(names, source, sizes, halved)
    table = _table(findings, kinds, sizes["common_batch"])
    (folder / "table.md").write_text(table + "\n", encoding="utf-8")
    write_csv(folder / "shares.csv", list(_csv_rows(findings)))
    write_csv(folder / "simulated.csv", [row | {"share": float(f"{row['share']:.4g}")} for row in simulated])
    code = code_version(["experiments.papers.hessian_diagonal", *sources])
    write_json(
        folder / "configuration.json",
        {
            "scale": options.scale,
            **sizes,
            "seeds": seeds,
            "data": described,
            "code": code,
            "versions": versions(libraries),
        },
    )
    redraw(folder)
    print(f"{table}\n\nWritten to {folder}")


def redraw(folder: Path) -> None:
    """Draw the figures from the files in the folder."""
    found: dict[tuple[str, ...], tuple[dict[str, Any], dict[str, Any]]] = {}
    for row in read_csv(folder / "shares.csv"):
        run = tuple(row[key] for key in ("network", "widths", "data", "seed"))
        network = {"name": row["network"], "widths": list(map(int, row["widths"].split()))}
        configuration, result = found.setdefault(
            run,
            (
                {"data": {"name": row["data"]}, "network": network, "batch_sizes": []},
                {"parameters": int(row["parameters"]), "shares": [[] for _ in STAGES]},
            ),
        )
        if row["stage"] == STAGES[0]:
            configuration["batch_sizes"].append(int(row["batch_size"]))
        result["shares"][STAGES.index(row["stage"])].append(float(row["share"]))
    findings = list(found.values())
    sizes = json.loads((folder / "configuration.json").read_text(encoding="utf-8"))
    middle = {kind: widths[len(widths) // 2] for kind, widths in sizes["networks"].items()}
    kinds = list(dict.fromkeys((c["data"]["name"], c["network"]["name"]) for c, _ in findings))
    simulated = [
        {"matrix": row["matrix"], "dimension": int(row["dimension"]), "share": float(row["share"])}
        for row in read_csv(folder / "simulated.csv")
    ]
    _draw_batches(folder / "batch_sizes", findings, kinds, middle)
    _draw_dimensions(folder / "dimensions", findings, kinds, simulated, sizes["common_batch"])


def _csv_rows(findings: Findings) -> Iterator[dict[str, Any]]:
    for configuration, result in findings:
        for stage, loss, shares in zip(STAGES, result["loss"], result["shares"], strict=True):
            for batch_size, value in zip(configuration["batch_sizes"], shares, strict=True):
                yield {
                    "network": configuration["network"]["name"],
                    "widths": " ".join(map(str, configuration["network"]["widths"])),
                    "data": configuration["data"]["name"],
                    "parameters": result["parameters"],
                    "rows": result["rows"],
                    "seed": configuration["seed"],
                    "stage": stage,
                    "batch_size": batch_size,
                    "share": float(f"{value:.4g}"),
                    "loss": float(f"{loss:.4g}"),
                }
