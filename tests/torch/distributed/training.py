"""Training a small network in float64, in this process alone or in each process of a group on its share of the batch.

The functions without an underscore are what the tests call, here or in every process of a group.
"""

import copy
from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.distributed
import torch.distributed.checkpoint as dcp
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_state_dict, set_state_dict
from torch.distributed.optim import ZeroRedundancyOptimizer
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel

from indian_torch import INDIAN, DampedAdamW, PowerDecayLR
from tests.releases import is_older
from tests.torch.documentation import names_of_the_page, run_block

if is_older(torch, "2.6"):
    FSDPModule: Any = ()
else:
    from torch.distributed.fsdp import FSDPModule, fully_shard

BATCH_SIZE = 8

Iterates = list[dict[str, np.ndarray]]
"""After each step, the whole parameters and phases by name."""


class Run(NamedTuple):
    """What a training loop needs."""

    model: nn.Module
    optimizer: Any
    scheduler: PowerDecayLR


def alone(flags: dict[str, Any], steps: int) -> Iterates:
    """Train in one process, without any wrapper."""
    return _train(_start("alone", flags), range(steps))


def together(wrapper: str, flags: dict[str, Any], steps: int, micro_batches: int = 1) -> Iterates:
    """Train in the processes of a group, with as many gradients accumulated for a step as there are micro-batches."""
    return _train(_start(wrapper, flags), range(steps), micro_batches)


def operators_of_a_step(flags: dict[str, Any]) -> set[str]:
    """Train with FSDP2; the names of the operators that a later step of the optimizer calls."""
    run = _start("FSDP2", flags)
    _train(run, range(1))
    (run.model(_share_of_batch(1)[0])).square().mean().backward()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        run.optimizer.step()
    return {event.key for event in profile.key_averages()}


def with_overflow(flags: dict[str, Any], steps: int, at: int) -> Iterates:
    """Train with FSDP2 and a gradient scaler; at some step the first attempt overflows in the last process alone."""
    run = _start("FSDP2", flags)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    iterates = []
    for k in [*range(at), -1, *range(at, steps)]:
        run.optimizer.zero_grad()
        inputs, targets = _share_of_batch(abs(k))
        scaler.scale((run.model(inputs) - targets).square().mean()).backward()
        if k < 0 and torch.distributed.get_rank() == torch.distributed.get_world_size() - 1:
            run.model[0].weight.grad.to_local().fill_(torch.inf)
        scaler.step(run.optimizer)
        scaler.update()
        if k >= 0:
            run.scheduler.step()
            iterates.append(_iterate(run))
    return iterates


def shard_sizes(flags: dict[str, Any]) -> list[int]:
    """The number of elements of each parameter that this process has."""
    return [param.to_local().numel() for param in _start("FSDP2", flags).model.parameters()]


def save(wrapper: str, flags: dict[str, Any], steps: int, directory: str, flatten: bool) -> None:
    """Train and write a distributed checkpoint."""
    run = _start(wrapper, flags)
    _train(run, range(steps))
    dcp.save(_state(run, StateDictOptions(flatten_optimizer_state_dict=flatten)), checkpoint_id=directory)


def resume(wrapper: str, flags: dict[str, Any], steps: Iterable[int], directory: str, flatten: bool) -> Iterates:
    """Read a distributed checkpoint into a new model and a new optimizer, and train on."""
    options = StateDictOptions(flatten_optimizer_state_dict=flatten)
    run = _start(wrapper, flags)
    with torch.no_grad():
        for param in run.model.parameters():
            param.fill_(7.0)
    state = _state(run, options)
    dcp.load(state, checkpoint_id=directory)
    _set_state(run, state, options)
    return _train(run, steps)


def hand_over(flags: dict[str, Any], steps: int, more: int, flatten: bool, steps_of_other: int) -> Iterates:
    """Train in one process, and train on another model and optimizer that are given the state straight away."""
    options = StateDictOptions(flatten_optimizer_state_dict=flatten)
    run = _start("alone", flags)
    iterates = _train(run, range(steps))
    state = copy.deepcopy(_state(run, options))
    run = _start("alone", flags)
    _train(run, range(steps_of_other))
    _set_state(run, state, options)
    return iterates + _train(run, range(steps, steps + more))


def whole_state(flags: dict[str, Any], steps: int) -> dict[str, dict[str, np.ndarray]]:
    """Train with FSDP2; the optimizer's state, unsharded, by the parameters' names; empty but on rank 0."""
    run = _start("FSDP2", flags)
    _train(run, range(steps))
    _, state = get_state_dict(
        run.model, run.optimizer, options=StateDictOptions(full_state_dict=True, cpu_offload=True)
    )
    return {name: {key: value.numpy() for key, value in of.items()} for name, of in state.get("state", {}).items()}


def state_alone(flags: dict[str, Any], steps: int) -> dict[str, dict[str, np.ndarray]]:
    """Train in one process; the optimizer's state by the parameters' names."""
    run = _start("alone", flags)
    _train(run, range(steps))
    names = {param: name for name, param in run.model.named_parameters()}
    order = [names[param] for group in run.optimizer.param_groups for param in group["params"]]
    state = run.optimizer.state_dict()["state"]
    return {name: {key: value.numpy() for key, value in state[i].items()} for i, name in enumerate(order)}


def redundancy_free(flags: dict[str, Any], steps: int, more: int) -> tuple[Iterates, Any, int]:
    """Train with ZeroRedundancyOptimizer, gather its state, train a new one on from there.

    Returns:
        The iterates of all steps, the state dicts after the first ``steps`` of them, and how many parameters have
        their state in this process.
    """
    run = _start("ZeRO", flags)
    iterates = _train(run, range(steps))
    own = len(run.optimizer.optim.state)
    run.optimizer.consolidate_state_dict(to=0)
    gathered = None
    if torch.distributed.get_rank() == 0:
        gathered = {
            "model": run.model.module.state_dict(),
            "optimizer": run.optimizer.state_dict(),
            "scheduler": run.scheduler.state_dict(),
        }
    message = [gathered]
    torch.distributed.broadcast_object_list(message)
    new = _start("ZeRO", flags)
    _load(new._replace(model=new.model.module), copy.deepcopy(message[0]))
    return iterates + _train(new, range(steps, steps + more)), message[0], own


def go_on_alone(flags: dict[str, Any], state: dict[str, Any], steps: Iterable[int]) -> Iterates:
    """Train in one process from the state dicts of a run."""
    run = _start("alone", flags)
    _load(run, state)
    return _train(run, steps)


def documented(directory: str) -> list[float]:
    """Run the blocks of the documentation; the number of steps that each of its optimizers has taken."""
    replicated = run_block("import DistributedDataParallel", **names_of_the_page())
    redundancy_free = run_block("import ZeroRedundancyOptimizer", **replicated)
    sharded = run_block("import fully_shard", **names_of_the_page())
    for names in (replicated, redundancy_free, sharded):
        model = names.get("ddp_model", names["model"])
        nn.functional.cross_entropy(model(names["x"]), names["y"]).backward()
        names["optimizer"].step()
    after = run_block("import torch.distributed.checkpoint", directory=directory, **sharded)
    optimizers = [replicated["optimizer"], redundancy_free["optimizer"].optim, after["optimizer"]]
    return [float(state["step"]) for optimizer in optimizers for state in [*optimizer.state.values()][:1]]


def _start(wrapper: str, flags: dict[str, Any]) -> Run:
    torch.manual_seed(0)
    # Five rows do not divide by two or four: shards differ in size, and two rows leave two of four processes none.
    model: nn.Module = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2)).double()
    if wrapper == "FSDP2":
        for layer in (model[0], model[2], model):
            fully_shard(layer)
    elif wrapper in ("DDP", "ZeRO"):
        model = DistributedDataParallel(model)
    matrices, vectors = ([param for param in model.parameters() if (param.ndim > 1) == more] for more in (True, False))
    cls: Any = DampedAdamW if "damping" in flags else INDIAN
    own: dict[str, Any] = {"lr": 0.02, "betas": (0.9, 0.99)} if "damping" in flags else {"alpha": 0.5}
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, **own}]
    hyperparameters: dict[str, Any] = (
        {"lr": 0.05} if "damping" in flags else {"lr": 0.2, "alpha": 1.5, "beta": 0.6}
    ) | flags
    if wrapper == "ZeRO":
        optimizer: Any = ZeroRedundancyOptimizer(groups, optimizer_class=cls, **hyperparameters)
    else:
        optimizer = cls(groups, **hyperparameters)
    return Run(model, optimizer, PowerDecayLR(optimizer, 0.25))


def _train(run: Run, steps: Iterable[int], micro_batches: int = 1) -> Iterates:
    iterates = []
    for k in steps:
        run.optimizer.zero_grad()
        inputs, targets = (part.chunk(micro_batches) for part in _share_of_batch(k))
        for i in range(micro_batches):
            with _gradient_sync(run.model, i == micro_batches - 1):
                loss = (run.model(inputs[i]) - targets[i]).square().mean() / micro_batches
                loss.backward()
        run.optimizer.step()
        run.scheduler.step()
        iterates.append(_iterate(run))
    return iterates


def _share_of_batch(k: int) -> tuple[Tensor, Tensor]:
    """This process' part of batch k, which is the same whatever the number of processes."""
    generator = torch.Generator().manual_seed(k)
    inputs = torch.randn(BATCH_SIZE, 3, generator=generator, dtype=torch.float64)
    targets = inputs[:, :2].sin() + inputs[:, 2:]
    if not torch.distributed.is_initialized():
        return inputs, targets
    rank, number = torch.distributed.get_rank(), torch.distributed.get_world_size()
    return inputs[rank::number], targets[rank::number]


def _gradient_sync(model: nn.Module, sync: bool) -> Any:
    """Exchange gradients in this backward pass, or leave them to a later one."""
    if isinstance(model, FSDPModule):
        model.set_requires_gradient_sync(sync)
    elif isinstance(model, DistributedDataParallel) and not sync:
        return model.no_sync()
    return nullcontext()


def _iterate(run: Run) -> dict[str, np.ndarray]:
    values = {}
    model = run.model.module if isinstance(run.model, DistributedDataParallel) else run.model
    for name, param in model.named_parameters():
        values[name] = _whole(param)
        if isinstance(run.optimizer, INDIAN):
            values[f"phase of {name}"] = _whole(run.optimizer.phase(param))
    return values


def _whole(tensor: Tensor) -> np.ndarray:
    tensor = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
    return tensor.detach().numpy().copy()


def _load(run: Run, state: dict[str, Any]) -> None:
    for name, part in run._asdict().items():
        part.load_state_dict(state[name])


def _set_state(run: Run, state: dict[str, Any], options: StateDictOptions) -> None:
    set_state_dict(
        run.model, run.optimizer, model_state_dict=state["model"], optim_state_dict=state["optimizer"], options=options
    )
    run.scheduler.load_state_dict(state["scheduler"])


def _state(run: Run, options: StateDictOptions) -> dict[str, Any]:
    model, optimizer = get_state_dict(run.model, run.optimizer, options=options)
    return {"model": model, "optimizer": optimizer, "scheduler": run.scheduler.state_dict()}
