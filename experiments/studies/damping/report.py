"""The command: the grids, the rules for the damping, the final runs, and what is written of them."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import experiments.studies.damping
from experiments.lib import comparison
from experiments.lib.command_line import parser
from experiments.lib.curves import write_csv, write_json
from experiments.lib.runs import configuration
from experiments.studies.damping import figures, rules, stages, tables
from experiments.studies.damping.plans import PLANS, SCALES, Plan, plan
from experiments.studies.damping.rules import Verdict
from experiments.studies.damping.stages import Finals, Searched, Setup

__all__ = ["DEVICES", "STAGES", "main"]

DEVICES: Final = ("cpu", "cuda")
STAGES: Final = ("grid", "all")


def main(arguments: Sequence[str] | None = None) -> None:
    """Compute the grids and the final runs, and write figures, tables and the configuration."""
    options = _options(arguments)
    if options.device == "cuda":
        _take_the_gpu()
    names = list(dict.fromkeys(options.task)) if options.task else list(PLANS)
    workers = 1 if options.device == "cuda" else options.workers
    setups = {
        name: Setup(plan(name, options.scale), options.data, options.output / name, workers, options.device)
        for name in names
    }
    with comparison.explained():
        searched = {name: stages.search(setup) for name, setup in setups.items()}
        verdicts = _judged(setups, searched)
        texts = [_write_rules(options.output, verdicts)]
        texts += [_write_grid(name, setup, searched[name]) for name, setup in setups.items()]
        if options.stage == "all":
            ends = {}
            for name, setup in setups.items():
                best = verdicts[setup.plan.family][0]
                ends[name] = stages.finals(setup, searched[name], best.damping, options.seeds)
                texts.append(_write_finals(setup, name, best, ends[name]))
            texts.append(_write_summary(options.output, {name: setup.plan for name, setup in setups.items()}, ends))
    print("\n\n".join([*texts, f"Written to {options.output}"]))


def _options(arguments: Sequence[str] | None) -> Any:
    made = parser("damping", experiments.studies.damping.__doc__, ["data", "seeds", "scale", "workers"], scales=SCALES)
    made.add_argument(
        "--task", choices=tuple(PLANS), action="append", help="may be given several times; default: all of them"
    )
    made.add_argument(
        "--device", choices=DEVICES, default=DEVICES[0], help="cuda: one run after the other; default: %(default)s"
    )
    made.add_argument(
        "--stage", choices=STAGES, default=STAGES[-1], help="grid: without final runs; default: %(default)s"
    )
    return made.parse_args(arguments)


def _take_the_gpu() -> None:
    """Have JAX start on the GPU. `experiments.lib.runs.one_thread` leaves alone what is set."""
    os.environ["JAX_PLATFORMS"] = "cuda"
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "0")


def _judged(setups: Mapping[str, Setup], searched: Mapping[str, Mapping[str, Searched]]) -> dict[str, list[Verdict]]:
    """The rules, the best first, by family: judged over all its tasks."""
    rows: dict[str, list[rules.Row]] = {}
    for name, setup in setups.items():
        rows.setdefault(setup.plan.family, []).extend(stages.rows(name, setup.plan, searched[name]))
    return {family: rules.judge(of_family) for family, of_family in rows.items()}


def _write_rules(folder: Path, verdicts: Mapping[str, Sequence[Verdict]]) -> str:
    titles = {"adam": "Rules for the damping in a norm", "sgd": "Rules for the damping without a norm"}
    text = "\n\n".join(f"**{titles[family]}**\n\n{rules.table(found)}" for family, found in verdicts.items())
    (folder / "rules.md").write_text(text + "\n", encoding="utf-8")
    write_csv(
        folder / "rules.csv",
        [{"family": family, **verdict._asdict()} for family, found in verdicts.items() for verdict in found],
    )
    return text


def _write_grid(name: str, setup: Setup, searched: Mapping[str, Searched]) -> str:
    folder, chosen = setup.folder, setup.plan
    text = tables.grid_tables(chosen, searched)
    (folder / "grid.md").write_text(text + "\n", encoding="utf-8")
    write_csv(folder / "grid.csv", tables.grid_rows(searched))
    title = f"{chosen.title}: gain from damping at equal η and μ, after {chosen.sizes.search_steps} steps, one seed"
    figures.draw_gains(folder / "gains", title, chosen, searched)
    write_json(folder / "configuration.json", _configuration(setup))
    return f"### {name}: grid\n\n{text}"


def _write_finals(setup: Setup, name: str, rule: Verdict, found: Finals) -> str:
    folder, chosen = setup.folder, setup.plan
    text = tables.final_table(chosen, found)
    text += f"\n\nThe rule's damping is that of constant {rule.rule}, {rule.constant:.3g}, the best over the grids."
    (folder / "table.md").write_text(text + "\n", encoding="utf-8")
    write_csv(folder / "runs.csv", tables.final_rows(found))
    write_csv(folder / "curves.csv", tables.curve_rows(found))
    n = len(next(iter(found.values()))[1])
    figures.draw_ends(folder / "ends", f"{chosen.title}: final runs, {n} seeds", chosen, found)
    title = f"{chosen.title}: mean of {n} seeds, band from best to worst"
    figures.draw_curves(folder / "curves", title, chosen, found)
    return f"### {name}: final runs\n\n{text}"


def _write_summary(folder: Path, plans: Mapping[str, Plan], ends: Mapping[str, Finals]) -> str:
    text = tables.summary_table(plans, ends)
    (folder / "summary.md").write_text(text + "\n", encoding="utf-8")
    figures.draw_summary(folder / "summary", plans, ends)
    return f"### All tasks\n\n{text}"


def _configuration(setup: Setup) -> dict[str, Any]:
    """All that determines the results of a task, for a reader."""
    chosen = setup.plan
    description = chosen.describe(setup.source)
    settings = {
        "task": description,
        "device": setup.device,
        "sizes": chosen.sizes._asdict(),
        "warmup": chosen.warmup,
        "grid": chosen.grid._asdict(),
        "peers": list(chosen.peers),
        "variants": {label: list(dampings) for label, dampings in chosen.variants.items()},
        "seed_of_the_grid": stages.SEARCH_SEED,
    }
    sources = ["experiments.studies.damping.training", f"experiments.studies.damping.tasks.{description['name']}"]
    return configuration(settings, [*sources, "indian_core", "indian_jax"], ["numpy", "jax", "jaxlib", "optax"])
