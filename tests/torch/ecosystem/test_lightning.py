"""Lightning trains with INDIAN as with any other optimizer of PyTorch, and resumes from its checkpoints."""

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from indian_torch import INDIAN
from tests.torch.documentation import names_of_the_page, run_block
from tests.torch.ecosystem.regression import (
    HYPERPARAMETERS,
    assert_close_parameters,
    loader,
    loss_of,
    network,
    optimizer_and_scheduler,
    trained,
)
from tests.torch.implementations import each_implementation

EPOCHS = 3


class Regression(LightningModule):
    """The network with its optimizer and a scheduler that counts steps."""

    def __init__(self, flags: dict[str, bool], dtype: torch.dtype = torch.float64) -> None:
        super().__init__()
        self.network = network(dtype)
        self.flags = flags
        self.learning_rates: list[float] = []

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        loss = loss_of(self.network, batch)
        self.log("loss", loss)
        return loss

    def on_before_optimizer_step(self, optimizer: Any) -> None:
        self.learning_rates.append(optimizer.param_groups[0]["lr"])

    def configure_optimizers(self) -> Any:
        optimizer, scheduler = optimizer_and_scheduler(self.network.parameters(), self.flags)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


class Plateau(Regression):
    """The same, with a scheduler that watches the loss."""

    def configure_optimizers(self) -> Any:
        optimizer = INDIAN(self.network.parameters(), **HYPERPARAMETERS, **self.flags)
        scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, threshold=10.0)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "monitor": "loss"}}


def fit(
    module: LightningModule,
    directory: Path,
    epochs: int,
    checkpoint: Path | None = None,
    batches: Any = None,
    **options: Any,
) -> Trainer:
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        default_root_dir=directory,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **options,
    )
    trainer.fit(module, batches or loader(next(module.parameters()).dtype), ckpt_path=checkpoint)
    return trainer


@each_implementation
@pytest.mark.parametrize("batches_per_step", [1, 2], ids=["one_batch", "accumulated"])
def test_takes_the_steps_of_a_plain_loop(flags: dict[str, bool], batches_per_step: int, tmp_path: Path) -> None:
    module = Regression(flags)
    fit(module, tmp_path, EPOCHS, accumulate_grad_batches=batches_per_step)
    assert_close_parameters(module.network, trained(flags, EPOCHS, batches_per_step), 1e-12)
    assert len(set(module.learning_rates)) == EPOCHS * 4 // batches_per_step


@each_implementation
def test_resumes_from_a_checkpoint(flags: dict[str, bool], tmp_path: Path) -> None:
    fit(Regression(flags), tmp_path, 1).save_checkpoint(tmp_path / "epoch_1.ckpt")
    module = Regression(flags)
    fit(module, tmp_path, EPOCHS, tmp_path / "epoch_1.ckpt")
    assert len(module.learning_rates) == (EPOCHS - 1) * 4
    assert_close_parameters(module.network, trained(flags, EPOCHS), 1e-12)


def test_trains_in_mixed_precision(tmp_path: Path) -> None:
    module = Regression({}, torch.float32)
    trainer = fit(module, tmp_path, EPOCHS, precision="bf16-mixed")
    states = trainer.optimizers[0].state_dict()["state"].values()
    assert {state["velocity"].dtype for state in states} == {torch.float32}
    assert_close_parameters(module.network, trained({}, EPOCHS, dtype=torch.float32), 0.05)


def test_scheduler_that_watches_the_loss(tmp_path: Path) -> None:
    module = Plateau({})
    fit(module, tmp_path, EPOCHS)
    # With a threshold that no loss meets, no epoch counts as progress.
    assert module.learning_rates == pytest.approx([0.1] * 4 + [0.01] * 4 + [0.001] * 4)


def test_block_of_the_documentation_trains(tmp_path: Path) -> None:
    names = run_block("lightning.pytorch", **names_of_the_page())
    module = names["Classifier"]()
    batches = DataLoader(TensorDataset(names["x"], names["y"]), batch_size=32)
    trainer = fit(module, tmp_path, 20, batches=batches)
    assert isinstance(trainer.optimizers[0], INDIAN)
    assert (module.model(names["x"]).argmax(1) == names["y"]).float().mean() > 0.9
