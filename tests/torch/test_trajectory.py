"""The optimizer follows the phase form of the paper."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

from indian_torch import INDIAN, INNA, INNAprop
from tests.releases import needs
from tests.torch.implementations import each_norm

Follows = Callable[..., None]
TakeStep = Callable[..., None]

HYPERPARAMETERS: dict[str, dict[str, Any]] = {
    "paper": {"lr": 0.1, "alpha": 0.5, "beta": 0.1},
    "no_damping": {"lr": 0.05, "alpha": 0.0, "beta": 0.1},
    "alpha_beta_is_1": {"lr": 0.1, "alpha": 2.0, "beta": 0.5},
    "alpha_lr_is_1": {"lr": 0.5, "alpha": 2.0, "beta": 0.25},
    "lr_is_beta": {"lr": 0.25, "alpha": 0.5, "beta": 0.25},
    "lr_exceeds_beta": {"lr": 0.3, "alpha": 1.0, "beta": 0.25},
    "no_step": {"lr": 0.0, "alpha": 0.5, "beta": 0.1},
    "at_rest": {"lr": 0.1, "alpha": 0.5, "beta": 0.1, "initial_speed": 0.0},
    "innaprop_start": {"lr": 0.1, "alpha": 0.5, "beta": 0.2, "initial_speed": 0.2},
    "uphill": {"lr": 0.1, "alpha": 0.5, "beta": 0.1, "initial_speed": -2.0},
    "weight_decay": {"lr": 0.1, "alpha": 0.5, "beta": 0.1, "weight_decay": 0.1},
    "rmsprop": {"lr": 0.1, "alpha": 0.5, "beta": 0.2, "norm": "rmsprop", "norm_decay": 0.9},
    "rmsprop_without_memory": {"lr": 0.1, "alpha": 0.5, "beta": 0.2, "norm": "rmsprop", "norm_decay": 0.0},
    "adagrad": {"lr": 0.1, "alpha": 0.5, "beta": 0.2, "norm": "adagrad", "norm_epsilon": 0.5, "weight_decay": 0.1},
    "everything": {"lr": 0.1, "alpha": 1.3, "beta": 0.4, "initial_speed": 0.5, "weight_decay": 0.3},
}

takes_complex_parameters = pytest.mark.parametrize(
    "implementation",
    ["default", "foreach", "for_loop", "capturable", "foreach_capturable", "differentiable"],
    indirect=True,
)


def parameters(dtype: torch.dtype = torch.float64) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype) for shape in ((3, 2), (4,), ())]


@pytest.mark.parametrize("hyperparameters", HYPERPARAMETERS.values(), ids=HYPERPARAMETERS)
def test_follows_the_phase_form(
    assert_follows_reference: Follows, implementation: dict[str, bool], hyperparameters: dict[str, float]
) -> None:
    assert_follows_reference(INDIAN(parameters(), **hyperparameters, **implementation))


@pytest.mark.parametrize("name", ["paper", "rmsprop", "everything"])
def test_tensor_hyperparameters_follow_the_phase_form(
    assert_follows_reference: Follows, implementation: dict[str, bool], name: str
) -> None:
    """Their values make no difference to how they are read: those are tested as numbers."""
    tensors = {
        key: value if isinstance(value, str) else torch.tensor(value, dtype=torch.float64)
        for key, value in HYPERPARAMETERS[name].items()
    }
    assert_follows_reference(INDIAN(parameters(), **tensors, **implementation))


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_tensor_hyperparameters_of_any_shape_with_one_element(
    assert_follows_reference: Follows, implementation: dict[str, bool], shape: tuple[int, ...]
) -> None:
    def tensor(value: float) -> torch.Tensor:
        return torch.full(shape, value, dtype=torch.float64)

    optimizer = INDIAN(parameters(), tensor(0.1), tensor(0.5), tensor(0.1), weight_decay=tensor(0.1), **implementation)
    assert_follows_reference(optimizer)


@pytest.mark.parametrize(
    "convert", [Fraction, np.float64, np.array, lambda value: np.array([value])], ids=["Fraction", "f64", "0-d", "1-d"]
)
def test_hyperparameters_may_be_numbers_of_any_type(
    assert_follows_reference: Follows, implementation: dict[str, bool], convert: Callable[[float], Any]
) -> None:
    hyperparameters = {name: convert(value) for name, value in HYPERPARAMETERS["everything"].items()}
    optimizer = INDIAN(parameters(), **hyperparameters, **implementation)
    assert all(type(optimizer.param_groups[0][name]) is float for name in hyperparameters)
    assert_follows_reference(optimizer)


def test_defaults_are_those_of_the_core(assert_follows_reference: Follows) -> None:
    from indian_core import DEFAULTS

    optimizer = INDIAN(parameters())
    group = optimizer.param_groups[0]
    for name, value in (DEFAULTS._asdict() | {"initial_speed": 1.0}).items():
        assert group["lr" if name == "learning_rate" else name] == value
    assert_follows_reference(optimizer)


def test_innaprop_is_indian_in_the_rmsprop_norm_with_its_own_defaults(assert_follows_reference: Follows) -> None:
    from indian_core import INNAPROP_DEFAULTS

    optimizer = INNAprop(parameters())
    group = optimizer.param_groups[0]
    for name, value in INNAPROP_DEFAULTS._asdict().items():
        assert group["lr" if name == "learning_rate" else name] == value
    assert_follows_reference(optimizer)


def test_inna_is_the_same() -> None:
    assert INNA is INDIAN


@each_norm
def test_maximizing_is_minimizing_the_negative(implementation: dict[str, bool], norm: dict[str, Any]) -> None:
    up, down = parameters(), parameters()
    hyperparameters = HYPERPARAMETERS["everything"] | norm
    maximizer = INDIAN(up, **hyperparameters, **implementation, maximize=True)
    minimizer = INDIAN(down, **hyperparameters, **implementation)
    for k in range(5):
        for p, q in zip(up, down, strict=True):
            q.grad = torch.full_like(q, k + 1.0)
            p.grad = -q.grad
        maximizer.step()
        minimizer.step()
        for p, q in zip(up, down, strict=True):
            torch.testing.assert_close(p, q, rtol=0, atol=0)
            assert (p.grad == -(k + 1)).all()


@each_norm
@takes_complex_parameters
@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
def test_complex_parameters_equal_their_real_view(
    implementation: dict[str, bool], norm: dict[str, Any], dtype: torch.dtype
) -> None:
    param = torch.tensor([1 + 2j, -3 + 0.5j], dtype=dtype)
    real = torch.view_as_real(param).clone()
    hyperparameters = HYPERPARAMETERS["everything"] | norm | implementation
    optimizers = [INDIAN([p], **hyperparameters) for p in (param, real)]
    for k in range(5):
        param.grad = torch.tensor([0.5 - 1j, 2 + 1j * k], dtype=dtype)
        real.grad = torch.view_as_real(param.grad)
        for optimizer in optimizers:
            optimizer.step()
        torch.testing.assert_close(torch.view_as_real(param), real, rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(
            torch.view_as_real(optimizers[0].phase(param)), optimizers[1].phase(real), rtol=1e-6, atol=1e-6
        )
    assert optimizers[0].velocity(param).dtype == dtype


@takes_complex_parameters
def test_complex_parameters_follow_the_phase_form(
    assert_follows_reference: Follows, implementation: dict[str, bool]
) -> None:
    param = torch.tensor([1 + 2j, -3 + 0.5j], dtype=torch.complex128)
    assert_follows_reference(INDIAN([param], lr=0.05, weight_decay=0.1, **implementation))


@pytest.mark.parametrize(
    "param",
    [
        torch.tensor(2.0, dtype=torch.float64),
        torch.empty(0, 3, dtype=torch.float64),
        torch.arange(12.0, dtype=torch.float64).reshape(3, 4).t(),
        torch.arange(12.0, dtype=torch.float64).reshape(3, 4)[:, ::2],
        torch.arange(24.0, dtype=torch.float64).reshape(1, 2, 3, 4).to(memory_format=torch.channels_last),
    ],
    ids=["zero_dimensional", "zero_size", "transposed", "strided", "channels_last"],
)
@each_norm
def test_tensors_of_every_layout(
    assert_follows_reference: Follows, implementation: dict[str, bool], norm: dict[str, Any], param: torch.Tensor
) -> None:
    param = param.clone()
    optimizer = INDIAN([param, torch.ones(2, dtype=torch.float64)], weight_decay=0.1, **norm, **implementation)
    assert_follows_reference(optimizer)
    for name, tensor in optimizer.state_dict()["state"][0].items():
        assert name == "step" or tensor.shape == param.shape
        if name != "step" and param.dim() == 4:
            assert tensor.is_contiguous(memory_format=torch.channels_last)


@each_norm
@takes_complex_parameters
def test_dtypes_may_be_mixed_in_one_group(
    take_step: TakeStep, implementation: dict[str, bool], norm: dict[str, Any]
) -> None:
    """Each parameter moves as it would alone."""
    dtypes = [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.complex64, torch.float32]
    together = [torch.full((3,), 0.5 + i, dtype=dtype) for i, dtype in enumerate(dtypes)]
    alone = [p.clone() for p in together]
    hyperparameters = HYPERPARAMETERS["everything"] | norm
    optimizers = [INDIAN(together, **hyperparameters, **implementation)]
    optimizers += [INDIAN([p], **hyperparameters, **implementation) for p in alone]
    for k in range(5):
        for optimizer in optimizers:
            take_step(optimizer, k)
    for p, q, dtype in zip(together, alone, dtypes, strict=True):
        assert p.dtype == optimizers[0].velocity(p).dtype == dtype
        torch.testing.assert_close(p, q, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    # Some ten steps' worth of roundoff, relative to parameters of size 1.
    [(torch.float32, 1e-6), (torch.float16, 1e-2), (torch.bfloat16, 8e-2)],
    ids=["float32", "float16", "bfloat16"],
)
def test_low_precision_stays_near_the_phase_form(
    assert_follows_reference: Follows, implementation: dict[str, bool], dtype: torch.dtype, tolerance: float
) -> None:
    optimizer = INDIAN(parameters(dtype), lr=0.05, weight_decay=0.01, **implementation)
    assert_follows_reference(optimizer, steps=10, tolerance=tolerance)


def test_damping_is_not_lost_in_bfloat16(implementation: dict[str, bool]) -> None:
    """In the gradient's coefficient, (1 − αγ)(β − s) − γ(1 − αβ), all is lost that is lost of 1 − αγ = 1 − 2⁻¹⁰."""
    param = torch.ones(1, dtype=torch.bfloat16)
    optimizer = INDIAN([param], lr=2.0**-10, alpha=1.0, beta=0.5, initial_speed=0.5 - 2.0**-11, **implementation)
    param.grad = torch.ones_like(param)
    optimizer.step()
    # Where the fused kernel is right, the state is a multiple of the velocity, which is rounded too.
    assert optimizer.velocity(param).item() == pytest.approx(-(2.0**-21), rel=2.0**-7)


def test_groups_have_their_own_hyperparameters(
    assert_follows_reference: Follows, implementation: dict[str, bool]
) -> None:
    first, second, third = parameters()
    groups = [
        {"params": [first], "lr": 0.02, "alpha": 2.0},
        {"params": [second], "beta": 0.3, "initial_speed": 0.0},
        {"params": third, "weight_decay": 0.2},
    ]
    optimizer = INDIAN(groups, lr=0.1, alpha=0.5, beta=0.1, **implementation)
    assert [group["lr"] for group in optimizer.param_groups] == [0.02, 0.1, 0.1]
    assert_follows_reference(optimizer)


def test_groups_may_be_computed_differently(take_step: TakeStep) -> None:
    params = parameters()
    flags: list[dict[str, Any]] = [{"foreach": True}, {"capturable": True}, {"foreach": False, "maximize": True}]
    mixed = INDIAN([{"params": [p]} | f for p, f in zip(params, flags, strict=True)])
    plain_params = parameters()
    plain = INDIAN([{"params": [p], "maximize": i == 2} for i, p in enumerate(plain_params)])
    for k in range(5):
        take_step(mixed, k)
        take_step(plain, k)
    for p, q in zip(params, plain_params, strict=True):
        torch.testing.assert_close(p, q, rtol=1e-13, atol=1e-13)


@needs(torch, "2.6", "optimizers of named parameters")
def test_named_parameters(take_step: TakeStep) -> None:
    module = torch.nn.Linear(2, 1)
    optimizer = INDIAN(module.named_parameters())
    take_step(optimizer, 0)
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["weight", "bias"]


def _same_as_alone(
    take_step: TakeStep, arguments: dict[str, Any], when: Callable[[int], bool], join: Callable[[int], bool]
) -> None:
    """A parameter that moves only when ``when(k)``, next to one that always moves, moves as alone."""
    always, sometimes = torch.ones(2, dtype=torch.float64), torch.full((3,), 2.0, dtype=torch.float64)
    always_alone, sometimes_alone = always.clone(), sometimes.clone()
    arguments = HYPERPARAMETERS["everything"] | arguments
    optimizer = INDIAN([always] if join(0) is False else [always, sometimes], **arguments)
    alone = [INDIAN([p], **arguments) for p in (always_alone, sometimes_alone)]
    joined = join(0)
    for k in range(12):
        if not joined and join(k):
            optimizer.add_param_group({"params": [sometimes]})
            joined = True
        before = sometimes.clone()
        take_step(optimizer, k, lambda p, k=k: p is always or when(k))
        take_step(alone[0], k)
        if when(k):
            take_step(alone[1], k)
        else:
            torch.testing.assert_close(sometimes, before, rtol=0, atol=0)
        torch.testing.assert_close(always, always_alone, rtol=1e-14, atol=1e-14)
        torch.testing.assert_close(sometimes, sometimes_alone, rtol=1e-14, atol=1e-14)
    assert optimizer.state[always]["step"] == 12
    assert optimizer.state[sometimes]["step"] == sum(map(when, range(12)))


@each_norm
def test_first_gradient_may_come_late(
    take_step: TakeStep, implementation: dict[str, bool], norm: dict[str, Any]
) -> None:
    """The first step is the parameter's, not the optimizer's."""
    _same_as_alone(take_step, norm | implementation, when=lambda k: k >= 4, join=lambda k: True)


@each_norm
def test_frozen_parameters_resume_with_their_velocity(
    take_step: TakeStep, implementation: dict[str, bool], norm: dict[str, Any]
) -> None:
    _same_as_alone(take_step, norm | implementation, when=lambda k: not 3 <= k < 8, join=lambda k: True)


@each_norm
def test_group_added_later_has_a_first_step_of_its_own(
    take_step: TakeStep, implementation: dict[str, bool], norm: dict[str, Any]
) -> None:
    _same_as_alone(take_step, norm | implementation, when=lambda k: k >= 5, join=lambda k: k >= 5)


def test_hyperparameters_may_change_between_steps(implementation: dict[str, bool]) -> None:
    """In velocity form, with coefficients of each step from the core."""
    from indian_core.dynamics import pre_form, velocity_step

    param = torch.tensor([1.0, -2.0], dtype=torch.float64)
    optimizer = INDIAN([param], **implementation)
    theta, velocity = param.numpy().copy(), np.zeros(2)
    changes: list[dict[str, Any]] = [
        {},
        {"lr": 0.03},
        {"alpha": 2.0},
        {"beta": Fraction(1, 2)},
        {"weight_decay": np.float32(0.5)},
        {"lr": torch.tensor([0.02], dtype=torch.float64)},
        {"initial_speed": 7.0},
    ]
    for k, change in enumerate(changes):
        group = optimizer.param_groups[0]
        group.update(change)
        numbers = {name: float(group[name]) for name in ("alpha", "beta", "initial_speed", "weight_decay")}
        gradient = np.array([k + 1.0, -1.0])
        param.grad = torch.from_numpy(gradient)
        optimizer.step()
        displacement, velocity = velocity_step(
            theta, velocity, gradient, pre_form(float(group["lr"]), **numbers, first=k == 0)
        )
        theta = theta + displacement
        np.testing.assert_allclose(param.numpy(), theta, rtol=1e-13)
        np.testing.assert_allclose(optimizer.velocity(param).numpy(), velocity, rtol=1e-13)
