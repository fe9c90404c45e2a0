"""Transformers' Trainer and Accelerate train with INDIAN, and resume from their checkpoints."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, GradientState
from torch import nn
from torch.optim.lr_scheduler import LambdaLR
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments

from indian_torch import INDIAN, INNAprop
from tests.torch.documentation import names_of_the_page, run_block
from tests.torch.ecosystem.regression import (
    assert_close_parameters,
    loader,
    loss_of,
    network,
    optimizer_and_scheduler,
    trained,
)
from tests.torch.implementations import each_implementation

STEPS = 6
WEIGHT_DECAY = 0.1

# The same sequence over and over, so that the order in which the Trainer draws them does not matter.
SEQUENCE = torch.tensor([1, 5, 2, 7, 3, 8])
SEQUENCES = [{"input_ids": SEQUENCE, "labels": SEQUENCE} for _ in range(4 * STEPS)]


@pytest.fixture(autouse=True)
def _fresh_accelerate() -> Iterator[None]:
    """Accelerate keeps what the first Accelerator of a process was told."""
    yield
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()


def language_model() -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=11, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2, use_cache=False
    )
    return LlamaForCausalLM(config)


def parameter_groups(model: nn.Module) -> list[dict[str, Any]]:
    """As the Trainer makes them: only the matrices decay."""
    params = list(model.parameters())
    return [
        {"params": [param for param in params if param.ndim > 1], "weight_decay": WEIGHT_DECAY},
        {"params": [param for param in params if param.ndim <= 1], "weight_decay": 0.0},
    ]


def hyperparameters(flags: dict[str, bool]) -> dict[str, Any]:
    return {"lr": 0.3, "alpha": 1.0, "beta": 0.6} | flags


def arguments(directory: Path) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(directory),
        max_steps=STEPS,
        per_device_train_batch_size=2,
        weight_decay=WEIGHT_DECAY,
        save_steps=STEPS // 2,
        use_cpu=True,
        disable_tqdm=True,
        report_to="none",
        logging_strategy="no",
    )


def trainer_with_instance(flags: dict[str, bool], args: TrainingArguments) -> Trainer:
    model = language_model()
    optimizer = INDIAN(parameter_groups(model), **hyperparameters(flags))
    return Trainer(model, args, train_dataset=SEQUENCES, optimizers=(optimizer, None))


def trainer_with_class(flags: dict[str, bool], args: TrainingArguments) -> Trainer:
    optimizer_cls_and_kwargs = (INDIAN, hyperparameters(flags))
    return Trainer(language_model(), args, train_dataset=SEQUENCES, optimizer_cls_and_kwargs=optimizer_cls_and_kwargs)


def language_model_trained(flags: dict[str, bool]) -> nn.Module:
    """What the Trainer does by default: gradients of norm at most 1, a learning rate that falls linearly."""
    model = language_model()
    optimizer = INDIAN(parameter_groups(model), **hyperparameters(flags))
    scheduler = LambdaLR(optimizer, lambda k: 1 - k / STEPS)
    batch = SEQUENCE.expand(2, -1)
    for _ in range(STEPS):
        optimizer.zero_grad()
        model(input_ids=batch, labels=batch).loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
    return model


@each_implementation
@pytest.mark.parametrize("make_trainer", [trainer_with_instance, trainer_with_class], ids=["instance", "class"])
def test_trainer_takes_the_steps_of_a_plain_loop_and_resumes(
    flags: dict[str, bool], make_trainer: Any, tmp_path: Path
) -> None:
    expected = language_model_trained(flags)
    trainer = make_trainer(flags, arguments(tmp_path))
    trainer.train()
    assert_close_parameters(trainer.model, expected, 1e-6)
    resumed = make_trainer(flags, arguments(tmp_path / "resumed"))
    resumed.train(resume_from_checkpoint=str(tmp_path / f"checkpoint-{STEPS // 2}"))
    assert_close_parameters(resumed.model, trainer.model, 1e-6 if flags["fused"] else 0.0)


@pytest.mark.parametrize("given", [0.0, 0.02])
def test_the_weight_decay_of_the_class_gives_way_to_that_of_the_trainer(given: float, tmp_path: Path) -> None:
    """As the documentation says of INNAprop, whose published decay is 0.01; an instance keeps its own."""
    own = TrainingArguments(output_dir=str(tmp_path), weight_decay=given, use_cpu=True, report_to="none")
    for keywords in ({}, {"weight_decay": 0.05}):
        trainer = Trainer(language_model(), own, optimizer_cls_and_kwargs=(INNAprop, keywords))
        trainer.create_optimizer()
        assert [group["weight_decay"] for group in trainer.optimizer.param_groups] == [given, 0.0]
    model = language_model()
    trainer = Trainer(model, own, optimizers=(INNAprop(model.parameters()), None))
    trainer.create_optimizer()
    assert [group["weight_decay"] for group in trainer.optimizer.param_groups] == [0.01]


@each_implementation
@pytest.mark.parametrize("batches_per_step", [1, 2], ids=["one_batch", "accumulated"])
def test_accelerate_takes_the_steps_of_a_plain_loop_and_resumes(
    flags: dict[str, bool], batches_per_step: int, tmp_path: Path
) -> None:
    for epochs in range(2):
        accelerator = Accelerator(cpu=True, gradient_accumulation_steps=batches_per_step)
        model = network()
        prepared = accelerator.prepare(model, *optimizer_and_scheduler(model.parameters(), flags), loader())
        if epochs > 0:
            accelerator.load_state(str(tmp_path))
        train_an_epoch(accelerator, *prepared)
        accelerator.save_state(str(tmp_path))
        assert_close_parameters(model, trained(flags, epochs + 1, batches_per_step), 1e-12)


def train_an_epoch(accelerator: Accelerator, model: Any, optimizer: Any, scheduler: Any, batches: Any) -> None:
    for batch in batches:
        with accelerator.accumulate(model):
            accelerator.backward(loss_of(model, batch))
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()


def test_accelerate_in_mixed_precision_keeps_the_state_in_float32() -> None:
    accelerator = Accelerator(cpu=True, mixed_precision="bf16")
    model = network(torch.float32)
    prepared = accelerator.prepare(model, *optimizer_and_scheduler(model.parameters(), {}), loader(torch.float32))
    train_an_epoch(accelerator, *prepared)
    states = prepared[1].state_dict()["state"].values()
    assert {state["velocity"].dtype for state in states} == {torch.float32}
    assert_close_parameters(model, trained({}, 1, dtype=torch.float32), 0.05)


def test_blocks_of_the_documentation_train(tmp_path: Path) -> None:
    names = names_of_the_page() | {"model": language_model(), "training_arguments": arguments(tmp_path)}
    trainer = run_block("from transformers", dataset=SEQUENCES, **names)["trainer"]
    before = [param.detach().clone() for param in trainer.model.parameters()]
    trainer.train()
    assert isinstance(trainer.optimizer.optimizer, INDIAN)
    assert trainer.optimizer.param_groups[0]["alpha"] == 0.25
    assert all(not torch.equal(p, q) for p, q in zip(trainer.model.parameters(), before, strict=True))

    names = run_block("from accelerate", loader=loader(torch.float32), **names_of_the_page())
    assert isinstance(names["optimizer"].optimizer, INDIAN)
    for inputs, _ in names["loader"]:
        names["accelerator"].backward(names["model"](inputs[:, :2]).square().mean())
        names["optimizer"].step()
    assert names["optimizer"].state_dict()["state"][0]["step"] == 4
