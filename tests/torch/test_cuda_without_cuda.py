"""What can be said of CUDA on a machine that has none.

PyTorch's fake tensors carry a device, shapes and dtypes, but no numbers, so "cuda" needs no hardware. With them these
tests show which operations a step sends to that device, with what, and that it never waits for a number to come back.
They cannot show that CUDA's kernels compute the same numbers, nor how fast they are, nor that a CUDA graph can be
captured; the last test here does that, where there is a GPU. "meta" is a second device that has no numbers.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from indian_core.dynamics import post_form
from indian_core.scaled_velocity import nesterov_multiple
from indian_torch import INDIAN
from indian_torch._step import fused

USUAL: dict[str, Any] = {"lr": 0.05, "alpha": 0.5, "beta": 0.2}

KERNEL = "aten::_fused_sgd_"

CONVERTIBLE = "meta"
"""Stands for CUDA where a step converts tensors to another dtype: of fake ones, that needs a PyTorch built for CUDA."""

READS = "aten::_local_scalar_dense"
"""What copies a number from the device to the host, and waits for it."""


class OnDevice(TorchDispatchMode):
    """Notes the operations on tensors of one device; the kernel, which has no fake form, is noted and left out."""

    def __init__(self, device: str) -> None:
        super().__init__()
        self.device = device
        self.calls: list[str] = []
        self.kernel_arguments: list[Any] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = function.name().split(".")[0]
        on_device = any(isinstance(a, Tensor) and a.device.type == self.device for a in tree_leaves((args, kwargs)))
        if on_device and name.startswith("aten"):
            self.calls.append(name)
            if name == KERNEL:
                self.kernel_arguments.append((args, kwargs))
                return None
        return function(*args, **kwargs)


def calls_of_third_step(device: str, tensor_lr: bool = False, **flags: Any) -> list[str]:
    """The operations of a usual step on the device, for two parameters of one dtype."""
    with FakeTensorMode(allow_non_fake_inputs=True):
        params = [torch.empty(3, 4, device=device), torch.empty(2, device=device)]
        optimizer = INDIAN(params, **USUAL, **flags)
        if tensor_lr:  # that a number is in its range is checked on the host, once, so not of a fake one
            optimizer.param_groups[0]["lr"] = torch.empty((), device=device)
        for _ in range(3):
            for p in params:
                p.grad = torch.empty_like(p)
            with OnDevice(device) as noted:
                optimizer.step()
        for p in params:
            assert optimizer.state[p]["velocity"].device.type == device
            expected = device if flags.get("capturable") else "cpu"
            assert optimizer.state[p]["step"].device.type == expected
    return noted.calls


@pytest.mark.parametrize("device", ["cuda", "meta"])
@pytest.mark.parametrize("flags", [{}, {"foreach": True}], ids=["default", "foreach"])
def test_foreach_is_four_calls_on_the_device(device: str, flags: dict[str, Any]) -> None:
    assert calls_of_third_step(device, **flags) == [
        "aten::_foreach_add_",
        "aten::_foreach_add_",
        "aten::_foreach_add_",
        "aten::_foreach_add_",
    ]


@pytest.mark.parametrize("device", ["cuda", "meta"])
def test_weight_decay_is_two_calls_more(device: str) -> None:
    assert len(calls_of_third_step(device, weight_decay=0.1)) == 6


def test_loop_is_four_calls_for_each_tensor_and_reads_nothing_back() -> None:
    calls = calls_of_third_step("cuda", foreach=False)
    assert sorted(calls) == 6 * ["aten::add_"] + 2 * ["aten::mul_"]


def test_fused_is_at_least_as_foreach_where_the_kernel_cannot_be_asked() -> None:
    """On "cuda" without CUDA; that answer is not for fake tensors alone."""
    fused.is_right.cache_clear()
    calls = calls_of_third_step("cuda", fused=True)
    assert all("_foreach_" in name for name in calls)
    assert fused.is_right(torch.device("cuda"), torch.float32) == torch.cuda.is_available()


def test_kernel_is_asked_with_real_numbers_even_among_fake_tensors() -> None:
    """The answer is kept, so a model that is first run with fake tensors must not decide it."""
    fused.is_right.cache_clear()
    with FakeTensorMode():
        assert fused.is_right(torch.device("cpu"), torch.float32)


@pytest.mark.parametrize("scaled", [False, True], ids=["unscaled", "scaled"])
def test_kernel_is_one_call_on_the_device_without_waiting(scaled: bool) -> None:
    """With gradients scaled by a number that stays on the device."""
    coefficients = post_form(0.05, 0.5, 0.2)
    scale = nesterov_multiple(coefficients)
    with FakeTensorMode():
        params, grads, buffers = ([torch.empty(3, 4, device="cuda"), torch.empty(2, device="cuda")] for _ in range(3))
        grad_scale = torch.empty((), device="cuda") if scaled else None
        with OnDevice("cuda") as noted:
            assert fused.step(params, grads, buffers, coefficients, scale, grad_scale) == pytest.approx(scale)
    assert noted.calls == [KERNEL]
    ((args, kwargs),) = noted.kernel_arguments
    assert [list(tensors) for tensors in args[:3]] == [params, grads, buffers]
    assert kwargs.get("grad_scale") is grad_scale
    assert kwargs["nesterov"] is True


@pytest.mark.parametrize("tensor_lr", [False, True], ids=["number", "tensor_lr"])
@pytest.mark.parametrize("flags", [{}, {"foreach": True}], ids=["alone", "foreach"])
def test_capturable_reads_nothing_back(flags: dict[str, Any], tensor_lr: bool) -> None:
    """In no step, the first included: fake tensors have no number to give, and would raise an error."""
    calls = calls_of_third_step(CONVERTIBLE, tensor_lr=tensor_lr, capturable=True, weight_decay=0.1, **flags)
    assert READS not in calls
    assert calls.count("aten::eq") == 2  # whether it is the first step is found out on the device


def test_fake_tensors_would_tell_if_a_number_were_read() -> None:
    with FakeTensorMode(), pytest.raises(Exception, match="_local_scalar_dense"):
        torch.empty((), device="cuda").item()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_16_bit_steps_on_a_device_round_once(dtype: torch.dtype) -> None:
    param = torch.empty(4, device=CONVERTIBLE, dtype=dtype)
    optimizer = INDIAN([param], **USUAL)
    for _ in range(3):
        param.grad = torch.empty_like(param)
        with OnDevice(CONVERTIBLE) as noted:
            optimizer.step()
    assert [name for name in noted.calls if name.endswith("_")] == ["aten::add_", "aten::copy_"]
    assert optimizer.velocity(param).dtype == dtype


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize(
    "flags",
    [{}, {"foreach": False}, {"fused": True}, {"capturable": True}],
    ids=["default", "for_loop", "fused", "capturable"],
)
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5), (torch.float16, 1e-2)], ids=str
)
def test_trajectory_on_cuda_is_that_on_the_cpu(flags: dict[str, Any], dtype: torch.dtype, tolerance: float) -> None:
    def run(device: str, step: Callable[[INDIAN], Callable[[], Any]]) -> list[Tensor]:
        params = [torch.linspace(-1, 1, n, dtype=torch.float64).to(device, dtype) for n in (1, 7, 1000)]
        optimizer = INDIAN(params, **USUAL, weight_decay=0.1, **flags)
        for p in params:
            p.grad = torch.cos(p.double() * 3).to(dtype)
        take = step(optimizer)
        for _ in range(5):
            take()
        return [p.cpu() for p in params]

    def captured(optimizer: INDIAN) -> Callable[[], Any]:
        """Three steps to warm up, then one that is captured, which runs nothing yet."""
        for _ in range(3):
            optimizer.step()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            optimizer.step()
        return graph.replay

    def warmed_up(optimizer: INDIAN) -> Callable[[], Any]:
        for _ in range(3):
            optimizer.step()
        return optimizer.step

    on_cuda = run("cuda", captured if flags.get("capturable") else warmed_up)
    torch.testing.assert_close(on_cuda, run("cpu", warmed_up), rtol=tolerance, atol=tolerance)
