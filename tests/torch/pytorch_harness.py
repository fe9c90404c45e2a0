"""INDIAN in the terms of PyTorch's own test harness: which arguments, flags, errors and schedulers to test."""

import copy
import inspect
from typing import Any

import torch
from torch import Tensor

from indian_torch import INDIAN

_flags_were_frozen = torch.backends.flags_frozen()

from torch.testing._internal.common_optimizers import (  # noqa: E402
    ErrorOptimizerInput,
    OptimizerErrorEnum,
    OptimizerInfo,
    OptimizerInput,
    _get_optim_inputs_including_global_cliquey_kwargs,
    optim_db,
)

if not _flags_were_frozen:
    # The harness forbids the whole process to set flags like torch.backends.cudnn.benchmark; other tests need that.
    setattr(torch.backends, "__allow_nonbracketed_mutation_flag", True)

__all__ = ["CONFIGURATIONS", "EVERY_WAY", "INFO", "arguments"]


def _inputs(device: Any, dtype: Any = None) -> list[OptimizerInput]:
    def tensor(value: float) -> Tensor:
        return torch.tensor(value, device=device)

    configurations: dict[str, dict[str, Any]] = {
        "default": {},
        "lr": {"lr": 0.01},
        "tensor lr": {"lr": tensor(0.05)},
        "tensors": {"lr": tensor(0.05), "alpha": tensor(2.0), "beta": tensor(0.2), "weight_decay": tensor(0.1)},
        "no damping": {"alpha": 0.0},
        "alpha * beta = 1": {"lr": 0.05, "alpha": 2.0, "beta": 0.5},
        "lr > beta": {"lr": 0.05, "alpha": 2.0, "beta": 0.04},
        "lr = beta": {"lr": 0.05, "alpha": 2.0, "beta": 0.05},
        "alpha * lr near 1": {"lr": 0.1, "alpha": 9.8, "beta": 0.3},
        "alpha * lr = 1": {"lr": 0.125, "alpha": 8.0, "beta": 0.3},
        "initial_speed": {"initial_speed": 0.0},
        "weight_decay": {"lr": 0.05, "weight_decay": 0.2},
        "maximize": {"lr": 0.01, "maximize": True, "weight_decay": 0.2},
        "velocity_dtype": {"velocity_dtype": torch.float64},
        "rmsprop": {"norm": "rmsprop", "norm_decay": 0.9, "norm_epsilon": 1e-3, "weight_decay": 0.1},
        "adagrad": {"norm": "adagrad", "norm_epsilon": 1e-3, "initial_speed": None},
        "norm_dtype": {"norm": "rmsprop", "norm_dtype": torch.float64},
        "capturable": {"capturable": True},
        "capturable, tensor lr, weight_decay": {"capturable": True, "lr": tensor(0.05), "weight_decay": 0.1},
    }
    return [OptimizerInput(params=None, kwargs=kwargs, desc=name) for name, kwargs in configurations.items()]


def _error_inputs(device: Any, dtype: Any) -> list[ErrorOptimizerInput]:
    def wrong(error: type[Exception], message: str, param: Tensor | None = None, **kwargs: Any) -> ErrorOptimizerInput:
        param = torch.ones(2, device=device, dtype=dtype) if param is None else param
        return ErrorOptimizerInput(OptimizerInput([param], kwargs), error_type=error, error_regex=message)

    sparse = torch.ones(2, device=device, dtype=dtype)
    sparse.grad = torch.ones_like(sparse).to_sparse()
    refused_by_step = [
        ErrorOptimizerInput(
            OptimizerInput([sparse], flags),
            error_on=OptimizerErrorEnum.STEP_ERROR,
            error_regex="INDIAN does not support sparse gradients",
        )
        for flags in ({}, {"foreach": False}, {"fused": True}, {"capturable": True}, {"differentiable": True})
    ]
    return [
        wrong(ValueError, "lr must be a finite number >= 0, got -1", lr=-1),
        wrong(ValueError, "alpha must be a finite number >= 0, got -0.5", alpha=-0.5),
        wrong(ValueError, "beta must be a finite number > 0, got 0", beta=0),
        wrong(ValueError, "weight_decay must be a finite number >= 0, got inf", weight_decay=float("inf")),
        wrong(ValueError, r"lr must be a finite number >= 0, got an array of shape \(2,\)", lr=torch.ones(2)),
        wrong(RuntimeError, "fused must be False or None where foreach is True", fused=True, foreach=True),
        wrong(RuntimeError, "fused must be .* where differentiable is True", fused=True, differentiable=True),
        wrong(RuntimeError, "foreach must be .* where differentiable is True", foreach=True, differentiable=True),
        wrong(RuntimeError, "parameter is not of a floating dtype", torch.ones(2, dtype=torch.complex64), fused=True),
        *refused_by_step,
    ]


_DESCRIPTION: dict[str, Any] = {
    "optim_inputs_func": _inputs,
    "optim_error_inputs_func": _error_inputs,
    "scheduler_inputs": next(info.scheduler_inputs for info in optim_db if info.optim_cls is torch.optim.SGD),
    "supported_impls": ("foreach", "differentiable", "fused"),
    "not_og_supported_flags": ("foreach", "differentiable", "maximize", "capturable", "fused", "velocity_dtype"),
    "has_capturable_arg": True,
    "supports_fused_on": ("cpu", "cuda"),
}
# Older harnesses do not ask for all of it.
_ASKED_FOR = inspect.signature(OptimizerInfo).parameters
INFO = OptimizerInfo(INDIAN, **{name: value for name, value in _DESCRIPTION.items() if name in _ASKED_FOR})

_BY_NAME: dict[str, dict[str, Any]] = {
    given.desc: given.kwargs
    for given in (
        *INFO.optim_inputs_func("cpu"),
        *_get_optim_inputs_including_global_cliquey_kwargs("cpu", torch.float32, INFO),
    )
}

CONFIGURATIONS: list[str] = [given.desc for given in INFO.optim_inputs_func("cpu")]
"""Names of the arguments to test with; each flag that chooses an implementation is False."""

EVERY_WAY: list[str] = list(_BY_NAME)
"""Names of all combinations of the arguments and the implementations."""


def arguments(name: str, **flags: Any) -> dict[str, Any]:
    """Arguments of the constructor by their name, in tensors of their own."""
    return copy.deepcopy(_BY_NAME[name]) | flags
