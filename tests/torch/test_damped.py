"""DampedSGD and DampedAdamW contain PyTorch's own SGD and AdamW, take over their states in mid-run, and go beyond."""

import copy
import inspect
import io
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.testing import CompileCounterWithBackend
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, OneCycleLR

from indian_core.damping import direction_step, from_damping, pre_damping_form
from indian_core.dynamics import velocity_step
from indian_core.norms import accumulate, norm_coefficients, scale
from indian_torch import INDIAN, DampedAdamW, DampedSGD
from indian_torch._step import fused, fused_adam
from indian_torch.functional import step as functional_step
from tests.torch.implementations import IMPLEMENTATIONS, implementations
from tests.torch.observation import calls_of, peak_of_a_step

pytestmark = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")

Make = Callable[..., Any]

SGD_FLAGS = {name: flags for name, flags in IMPLEMENTATIONS.items() if "capturable" not in flags}
FLAGS: dict[type[Any], dict[str, dict[str, Any]]] = {DampedSGD: SGD_FLAGS, DampedAdamW: IMPLEMENTATIONS}

each_class = pytest.mark.parametrize("cls", [DampedSGD, DampedAdamW])
each_way = pytest.mark.parametrize(
    ("cls", "flags"),
    [(cls, flags) for cls in FLAGS for flags in FLAGS[cls].values()],
    ids=[f"{cls.__name__}-{name}" for cls in FLAGS for name in FLAGS[cls]],
)
each_order = pytest.mark.parametrize(
    ("cls", "flags", "own"),
    [
        (cls, flags, own)
        for cls, owns in {DampedSGD: [{}], DampedAdamW: [{"order": "adam"}, {"order": "innaprop"}]}.items()
        for own in owns
        for flags in FLAGS[cls].values()
    ],
)
"""Each way, and for DampedAdamW each order."""

SHAPES = ((3, 2), (4,), (), (0, 3))


class Pair:
    """What is to be compared: an optimizer of PyTorch, ours that equals it, and the options of both."""

    def __init__(self, theirs: type[Any], ours: type[Any], own: dict[str, Any], more: dict[str, Any], **options: Any):
        self.theirs, self.ours, self.own, self.more, self.options = theirs, ours, own, more, options

    def make(self, which: str, params: list[Tensor], **flags: Any) -> Any:
        groups = [{"params": params[:1], "weight_decay": 0.02}, {"params": params[1:], "lr": 0.03}]
        if which == "theirs":
            return self.theirs(groups, **self.own, **self.options)
        return self.ours(groups, **self.more, **self.options, **flags)


SGD, ADAMW = torch.optim.SGD, torch.optim.AdamW
USUAL: dict[type[Any], dict[str, Any]] = {
    DampedSGD: {"lr": 0.05, "momentum": 0.9},
    DampedAdamW: {"lr": 0.02, "betas": (0.9, 0.99), "weight_decay": 0.1},
}
OF_SGD: dict[str, Any] = {"lr": 0.05, "momentum": 0.9}

PAIRS: dict[str, Pair] = {
    "heavy ball": Pair(SGD, DampedSGD, {}, {"damping": 1.0}, **OF_SGD),
    "nesterov": Pair(SGD, DampedSGD, {"nesterov": True}, {"nesterov": True}, **OF_SGD),
    "nesterov by damping": Pair(SGD, DampedSGD, {"nesterov": True}, {"damping": 1.9}, **OF_SGD),
    "dampening": Pair(SGD, DampedSGD, {}, {"damping": 1.0}, **OF_SGD, dampening=0.3),
    "no momentum": Pair(SGD, DampedSGD, {}, {}, lr=0.02),
    "short memory": Pair(SGD, DampedSGD, {}, {"damping": 1.0}, lr=0.05, momentum=0.1),
    "momentum of 1": Pair(SGD, DampedSGD, {}, {"damping": 1.0}, lr=0.001, momentum=1.0),
    "sgd uphill": Pair(SGD, DampedSGD, {}, {"damping": 1.0}, lr=0.001, momentum=0.9, maximize=True, weight_decay=0.1),
    "nesterov uphill": Pair(
        SGD, DampedSGD, {"nesterov": True}, {"nesterov": True}, lr=0.001, momentum=0.9, maximize=True
    ),
    "adamw": Pair(ADAMW, DampedAdamW, {}, {"damping": 1.0}, lr=0.02, betas=(0.9, 0.99), weight_decay=0.1),
    "adamw, defaults": Pair(ADAMW, DampedAdamW, {}, {"damping": 1.0}),
    "adamw, large epsilon": Pair(ADAMW, DampedAdamW, {}, {"damping": 1.0}, eps=0.1, betas=(0.5, 0.0)),
    "adamw without momentum": Pair(ADAMW, DampedAdamW, {}, {}, lr=0.02, betas=(0.0, 0.99)),
    "adamw, short memory": Pair(ADAMW, DampedAdamW, {}, {"damping": 1.0}, lr=0.02, betas=(0.1, 0.99)),
    "adamw uphill": Pair(ADAMW, DampedAdamW, {}, {"damping": 1.0}, lr=0.02, maximize=True),
}


def start(dtype: torch.dtype = torch.float64) -> list[Tensor]:
    return [
        torch.cos(torch.arange(float(math.prod(shape)))).reshape(shape).to(dtype) + (0.5 if dtype.is_complex else 0)
        for shape in SHAPES
    ]


def give_gradients(params: list[Tensor], k: int, *, late: int = 0) -> None:
    """Of a quadratic, with noise of its own for each step; the second parameter joins late, and stays out at times."""
    for i, param in enumerate(params):
        value = param.detach()
        curvature = torch.linspace(0.1, 3.0, max(1, param.numel()), dtype=torch.float64)[: param.numel()]
        noise = torch.sin(torch.arange(float(param.numel()), dtype=torch.float64) + 3 * i + k).reshape(param.shape)
        param.grad = (curvature.reshape(param.shape) * value + noise).to(param.dtype)
        if i == 1 and (k < late or (late and k % 7 == 0)):
            param.grad = None


def schedule(optimizer: torch.optim.Optimizer, steps: int) -> LambdaLR:
    """Warm-up and cosine."""
    return LambdaLR(optimizer, lambda k: min(1.0, (k + 1) / 50) * (1 + math.cos(math.pi * k / steps)) / 2)


def walk(
    make: list[tuple[Callable[[list[Tensor]], Any], int]], steps: int, *, number: int = len(SHAPES), step: Any = None
) -> list[Tensor]:
    """All iterates, with one optimizer after the other, each of which takes over the state for its number of steps."""
    params, optimizer, k, iterates = start()[:number], None, 0, []
    scheduler: Any = None
    for make_one, steps_of_one in make:
        before, last_scheduler, optimizer = optimizer, scheduler, make_one(params)
        scheduler = schedule(optimizer, steps)
        if before is not None:
            optimizer.load_state_dict(through_file(before.state_dict()))
            scheduler.load_state_dict(last_scheduler.state_dict())
        take = optimizer.step if step is None else step(optimizer)
        for _ in range(steps_of_one):
            give_gradients(params, k, late=20)
            take()
            scheduler.step()
            iterates.append(torch.cat([param.detach().reshape(-1).clone() for param in params]))
            k += 1
    return iterates


def through_file(state: Any) -> Any:
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def assert_equal(actual: list[Tensor], expected: list[Tensor], tolerance: float = 1e-12) -> None:
    """Relative to the size of the iterates so far, which uphill grow without bound."""
    left, right = torch.stack(actual), torch.stack(expected)
    size = right.abs().amax(1).cummax(0).values.clamp(min=1)
    worst = ((left - right).abs().amax(1) / size).max().item()
    assert worst <= tolerance, worst


@pytest.mark.parametrize(
    ("name", "flags"),
    [(name, flags) for name, pair in PAIRS.items() for flags in FLAGS[pair.ours].values()],
    ids=[f"{name}-{flags}" for name, pair in PAIRS.items() for flags in FLAGS[pair.ours]],
)
def test_it_is_pytorchs_own(name: str, flags: dict[str, Any]) -> None:
    pair, steps = PAIRS[name], 150
    expected = walk([(lambda params: pair.make("theirs", params), steps)], steps)
    assert_equal(walk([(lambda params: pair.make("ours", params, **flags), steps)], steps), expected)


@pytest.mark.slow
@pytest.mark.thorough
@pytest.mark.parametrize(
    ("name", "flags"),
    [
        (name, flags)
        for name in ("heavy ball", "nesterov", "dampening", "adamw")
        for flags in FLAGS[PAIRS[name].ours].values()
    ],
)
def test_it_is_pytorchs_own_for_two_thousand_steps(name: str, flags: dict[str, Any]) -> None:
    pair, steps = PAIRS[name], 2000
    expected = walk([(lambda params: pair.make("theirs", params), steps)], steps)
    assert_equal(walk([(lambda params: pair.make("ours", params, **flags), steps)], steps), expected)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["heavy ball", "nesterov", "adamw"])
def test_it_is_pytorchs_own_when_compiled(name: str) -> None:
    """Without a C++ compiler, and without scalars in float64, in which compiled steps of PyTorch's own are wrong."""
    pair, steps = PAIRS[name], 40

    def compiled(optimizer: Any) -> Any:
        torch.compiler.reset()
        return torch.compile(optimizer.step, backend="aot_eager")

    def make(which: str) -> Callable[[list[Tensor]], Any]:
        def with_tensor(params: list[Tensor]) -> Any:
            optimizer = pair.make(which, params)
            for group in optimizer.param_groups:
                group["lr"] = torch.tensor(group["lr"], dtype=torch.float64)
            return optimizer

        return with_tensor

    expected = walk([(make("theirs"), steps)], steps, number=2)
    assert_equal(walk([(make("ours"), steps)], steps, number=2, step=compiled), expected)
    torch.compiler.reset()


@pytest.mark.parametrize("names", ["foreach", "for_loop", "fused"])
# A damping that is a number says nothing to SGD.
@pytest.mark.parametrize("name", [name for name in PAIRS if name != "nesterov by damping"])
def test_a_run_changes_over_in_both_directions(name: str, names: str) -> None:
    pair, steps = PAIRS[name], 90
    flags = FLAGS[pair.ours][names]

    def theirs(params: list[Tensor]) -> Any:
        return pair.make("theirs", params)

    def ours(params: list[Tensor]) -> Any:
        return pair.make("ours", params, **flags)

    expected = walk([(theirs, steps)], steps)
    assert_equal(walk([(theirs, 30), (ours, 30), (theirs, 30)], steps), expected)
    assert_equal(walk([(ours, 41), (theirs, 49)], steps), expected)


@implementations("default", "foreach", "for_loop", "fused", "differentiable")
def test_it_takes_over_from_implementations_that_keep_the_step_elsewhere(flags: dict[str, Any]) -> None:
    """And from Adam whose weight decay is decoupled, which some releases have."""
    params, other_params = start(torch.float32), start(torch.float32)
    theirs = ADAMW(params, 0.02, **flags)
    decoupled = {"decoupled_weight_decay": True}
    has_flag = "decoupled_weight_decay" in inspect.signature(torch.optim.Adam).parameters
    other = torch.optim.Adam(other_params, 0.02, weight_decay=0.01, **(decoupled if has_flag else {}))
    if not has_flag:
        other = ADAMW(other_params, 0.02)
    for k in range(3):
        for ps, optimizer in ((params, theirs), (other_params, other)):
            give_gradients(ps, k)
            optimizer.step()
    loaded = [DampedAdamW(ps, damping=1.0) for ps in (params, other_params)]
    for mine, from_theirs in zip(loaded, (theirs, other), strict=True):
        mine.load_state_dict(from_theirs.state_dict())
        assert mine.param_groups[0]["decoupled_weight_decay"] is True
    for k in range(3, 6):
        for ps, optimizer in zip((params, other_params), loaded, strict=True):
            give_gradients(ps, k)
            optimizer.step()
    torch.testing.assert_close(params, other_params, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("cls", "theirs"), [(DampedSGD, SGD), (DampedAdamW, ADAMW)])
def test_signature_is_that_of_pytorch_with_more(cls: type[Any], theirs: type[Any]) -> None:
    own, expected = (
        [(p.name, p.default, p.kind) for p in inspect.signature(each).parameters.values()] for each in (cls, theirs)
    )
    more = [("damping", None, inspect.Parameter.KEYWORD_ONLY)]
    if cls is DampedAdamW:
        more.append(("order", "adam", inspect.Parameter.KEYWORD_ONLY))
    assert own == expected + more


@pytest.mark.parametrize(("cls", "theirs"), [(DampedSGD, SGD), (DampedAdamW, ADAMW)])
def test_state_dict_has_the_form_of_pytorchs_own(cls: type[Any], theirs: type[Any]) -> None:
    for flags in FLAGS[cls].values():
        params, their_params = start(torch.float32)[:2], start(torch.float32)[:2]
        ours = cls(params, **USUAL[cls], damping=3.0, **flags)
        other = theirs(their_params, **USUAL[cls])
        for ps, optimizer in ((params, ours), (their_params, other)):
            for k in range(2):
                give_gradients(ps, k)
                optimizer.step()
        saved, expected = ours.state_dict(), other.state_dict()
        assert [state.keys() for state in saved["state"].values()] == [
            state.keys() for state in expected["state"].values()
        ]
        assert expected["param_groups"][0].keys() - saved["param_groups"][0].keys() == set()
        before = copy.deepcopy(saved)
        give_gradients(params, 2)
        ours.step()
        torch.testing.assert_close(saved["state"], before["state"], rtol=0, atol=0)


# Beyond PyTorch's own


def by_hand(cls: type[Any], momentum: float, damping: float, steps: int, order: str = "adam") -> list[Tensor]:
    """Written down with the formulas of the core, in float64."""
    params = [param.numpy() for param in start()]
    buffers = [np.zeros_like(param) for param in params]
    squares = [np.zeros_like(param) for param in params]
    iterates = []
    for k in range(steps):
        tensors = [torch.tensor(param) for param in params]
        give_gradients(tensors, k)
        for i, tensor in enumerate(tensors):
            assert tensor.grad is not None
            g = tensor.grad.numpy()
            if cls is DampedSGD:
                c = pre_damping_form(0.05, momentum, damping, penalty=0.1, gain=1.0)
                move, buffers[i] = velocity_step(params[i], buffers[i], g, c)
            else:
                n = norm_coefficients("rmsprop", k + 1, 0.99, 1e-3)
                squares[i] = accumulate(squares[i], g, n)
                divisor = scale(squares[i], n)
                c = pre_damping_form(0.05, momentum, damping, weight_decay=0.1, count=k + 1)
                if order == "adam":
                    move, buffers[i] = direction_step(params[i], buffers[i], g, divisor, c)
                else:
                    move, buffers[i] = velocity_step(params[i], buffers[i], g / divisor, c)
            params[i] = params[i] + move
        iterates.append(torch.cat([torch.tensor(param).reshape(-1) for param in params]))
    return iterates


@pytest.mark.parametrize("damping", [0.5, 1.0, 1.9, 3.0, 10.0, 12.0])
@pytest.mark.parametrize("momentum", [0.9, 0.1])
@each_order
def test_any_damping(
    cls: type[Any], flags: dict[str, Any], own: dict[str, str], momentum: float, damping: float
) -> None:
    """For a momentum of 0.9, 10 is gradient descent, and 12 subtracts the buffer."""
    options: dict[str, Any] = {"lr": 0.05, "weight_decay": 0.1, "damping": damping} | flags | own
    if cls is DampedAdamW:
        options |= {"betas": (momentum, 0.99), "eps": 1e-3}
    else:
        options |= {"momentum": momentum}
    params, actual = start(), []
    optimizer = cls(params, **options)
    for k in range(30):
        give_gradients(params, k)
        optimizer.step()
        actual.append(torch.cat([param.reshape(-1).clone() for param in params]))
    assert_equal(actual, by_hand(cls, momentum, damping, 30, **own))


@pytest.mark.parametrize(("momentum", "damping"), [(0.9, 3.0), (0.95, 7.0), (0.5, 0.7)])
def test_at_a_constant_rate_it_is_indian_from_rest(momentum: float, damping: float) -> None:
    settings = from_damping(0.02 / (1 - momentum), momentum, damping)._asdict()
    settings["lr"] = settings.pop("learning_rate")
    params, other_params = start(), start()
    optimizers = DampedSGD(params, 0.02, momentum, damping=damping), INDIAN(other_params, **settings)
    for k in range(100):
        for ps, optimizer in zip((params, other_params), optimizers, strict=True):
            give_gradients(ps, k)
            optimizer.step()
        torch.testing.assert_close(params, other_params, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(
    ("cls", "given", "damping"),
    [(DampedSGD, {"momentum": 0.95}, 3.8), (DampedSGD, {"nesterov": True}, 1.9), (DampedAdamW, {}, 1.9)],
    ids=["share", "flag", "norm"],
)
def test_the_defaults_are_a_share_at_once_and_in_a_norm_nesterovs(
    cls: type[Any], given: dict[str, Any], damping: float
) -> None:
    momentum = {name: value for name, value in given.items() if name == "momentum"}
    pairs = [(start(), given), (start(), {**momentum, "damping": damping})]
    for params, options in pairs:
        optimizer = cls(params, **USUAL[cls] | options)
        for k in range(20):
            give_gradients(params, k)
            optimizer.step()
        torch.testing.assert_close(params, pairs[0][0], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("names", ["foreach", "for_loop", "fused"])
@each_class
def test_the_damping_may_change_in_mid_run(cls: type[Any], names: str) -> None:
    """Where the fused kernel needs a multiple of the buffer, and where not."""
    runs = [(start(), FLAGS[cls][names]), (start(), FLAGS[cls]["for_loop"])]
    optimizers = [cls(params, **USUAL[cls], **flags) for params, flags in runs]
    for k, damping in enumerate([None, None, 3.0, 3.0, 1.0, 1.0, 10.0, 20.0, 20.0, 0.5, 1.9, None]):
        for (params, _), optimizer in zip(runs, optimizers, strict=True):
            optimizer.param_groups[0]["damping"] = damping
            give_gradients(params, k)
            optimizer.step()
        torch.testing.assert_close(runs[0][0], runs[1][0], rtol=1e-12, atol=1e-12)
        saved = [optimizer.state_dict()["state"] for optimizer in optimizers]
        torch.testing.assert_close(*saved, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("name", ["heavy ball", "nesterov", "adamw"])
def test_schedulers_that_move_the_momentum(name: str) -> None:
    results = []
    for which in ("theirs", "ours"):
        params = start()
        optimizer = PAIRS[name].make(which, params, **(FLAGS[PAIRS[name].ours]["fused"] if which == "ours" else {}))
        scheduler = OneCycleLR(optimizer, 0.05, total_steps=60, cycle_momentum=True)
        for k in range(60):
            give_gradients(params, k)
            optimizer.step()
            scheduler.step()
        results.append(params)
    torch.testing.assert_close(*results, rtol=1e-12, atol=1e-12)


@each_class
def test_tensors_as_hyperparameters(cls: type[Any]) -> None:
    tensors: dict[str, Any] = {"lr": torch.tensor(0.02, dtype=torch.float64), "damping": torch.tensor([3.0])}
    numbers = {"lr": 0.02, "damping": 3.0}
    if cls is DampedAdamW:
        tensors["betas"] = (torch.tensor(0.5, dtype=torch.float64), torch.tensor(0.75, dtype=torch.float64))
        numbers["betas"] = (0.5, 0.75)
    else:
        tensors |= {"weight_decay": torch.tensor(0.5), "momentum": 0.5}
        numbers |= {"weight_decay": 0.5, "momentum": 0.5}
    expected = start()
    for params, options, flags in [
        (expected, numbers, {}),
        *((start(), tensors, flags) for flags in FLAGS[cls].values()),
    ]:
        optimizer = cls(params, **options, **flags)
        for k in range(10):
            give_gradients(params, k)
            optimizer.step()
        torch.testing.assert_close(params, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("cls", "name"),
    [
        *((DampedSGD, name) for name in ("lr", "damping", "weight_decay")),
        *((DampedAdamW, name) for name in ("lr", "damping", "weight_decay", "betas")),
    ],
)
def test_gradients_flow_through_the_step(cls: type[Any], name: str) -> None:
    def run(value: Tensor) -> Tensor:
        param = torch.tensor([0.5, -0.25], dtype=torch.float64)
        options: dict[str, Any] = {"betas": (value, value)} if name == "betas" else {name: value}
        optimizer = cls([param.clone()], **{"lr": 0.1} | options, differentiable=True)
        (param,) = optimizer.param_groups[0]["params"]
        for _ in range(3):
            param.grad = param.clone() ** 2 - 1
            optimizer.step()
        return param

    assert torch.autograd.gradcheck(run, torch.tensor(0.5, dtype=torch.float64, requires_grad=True))


# Dtypes and shapes


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@each_order
def test_16_bits_are_rounded_once_in_a_step(
    cls: type[Any], flags: dict[str, Any], own: dict[str, str], dtype: torch.dtype
) -> None:
    options: dict[str, Any] = USUAL[cls] | own | ({"eps": 1e-3} if own else {})
    param = torch.linspace(-1, 1, 300).to(dtype)
    optimizer = cls([param], **options, damping=3.0, **flags)
    for k in range(3):
        exact_param = param.double()
        exact = cls([exact_param], **options, damping=3.0, foreach=False)
        if k:
            exact.load_state_dict(optimizer.state_dict())
            exact.param_groups[0].update({"foreach": False, "fused": None, "differentiable": False})
        param.grad = torch.cos(torch.arange(300.0) + k).to(dtype)
        exact_param.grad = param.grad.double()
        optimizer.step()
        exact.step()
        tolerance = torch.finfo(dtype).eps / 2 * (1 + 1e-3)
        torch.testing.assert_close(param.double(), exact_param, rtol=tolerance, atol=1e-6)


@pytest.mark.parametrize("name", ["foreach", "for_loop"])
@pytest.mark.parametrize("pair", ["heavy ball", "nesterov", "adamw"])
def test_complex_parameters_move_as_those_of_pytorch(pair: str, name: str) -> None:
    results = []
    for which in ("theirs", "ours"):
        params = [torch.tensor([1.0 + 2.0j, -0.5j]), torch.tensor([[0.25 - 1.0j]])]
        flags = FLAGS[PAIRS[pair].ours][name] if which == "ours" else {}
        optimizer = PAIRS[pair].make(which, params, **flags)
        for k in range(5):
            for param in params:
                param.grad = param * (0.5 + 1j) + k
            optimizer.step()
        results.append(params)
    torch.testing.assert_close(*results, rtol=1e-5, atol=1e-5)


@each_class
def test_what_cannot_be_stepped_is_refused(cls: type[Any]) -> None:
    for flags in FLAGS[cls].values():
        param = torch.ones(3)
        optimizer = cls([param], **flags)
        param.grad = torch.ones(3).to_sparse()
        with pytest.raises(RuntimeError, match=f"{cls.__name__} does not support sparse gradients"):
            optimizer.step()
    with pytest.raises(RuntimeError, match="fused must be False or None where a parameter is not of a floating dtype"):
        cls([torch.ones(2, dtype=torch.complex64)], fused=True)
    with pytest.raises(ValueError, match="empty parameter list"):
        cls([])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda p: DampedSGD(p, -0.1), ValueError, "lr must be a finite number >= 0, got -0.1"),
        (lambda p: DampedSGD(p, 0.1, 1.1), ValueError, r"momentum must be a number in \[0, 1\], got 1.1"),
        (lambda p: DampedSGD(p, 0.1, 0.9, math.nan), ValueError, "dampening must be a finite number, got nan"),
        (lambda p: DampedSGD(p, weight_decay=-1), ValueError, "weight_decay must be a finite number >= 0, got -1"),
        (
            lambda p: DampedSGD(p, 0.1, 0.9, damping=0.0),
            ValueError,
            "damping must be a finite number > 0 or None, got 0",
        ),
        (lambda p: DampedSGD(p, 0.1, 0.9, damping="big"), TypeError, "damping must be .* got 'big' of type str"),
        (
            lambda p: DampedSGD(p, 0.1, 0.9, nesterov=True, damping=1.9),
            ValueError,
            "damping must be None where nesterov",
        ),
        (lambda p: DampedSGD(p, 0.1, nesterov=True), ValueError, "nesterov must be False where momentum is 0"),
        (lambda p: DampedSGD(p, 0.1, 0.9, 0.1, nesterov=True), ValueError, "nesterov must be False where"),
        (lambda p: DampedSGD(p, nesterov="no"), TypeError, "nesterov must be True or False, got 'no'"),
        (lambda p: DampedSGD(p, fused=True, foreach=True), RuntimeError, "fused must be False or None where foreach"),
        (lambda p: DampedSGD(p, alpha=0.1), TypeError, "DampedSGD has no argument 'alpha'; DampedSGD has momentum and"),
        (lambda p: DampedSGD(p, momentom=0.1), TypeError, "DampedSGD has no argument 'momentom'; .* has momentum"),
        (lambda p: DampedAdamW(p, amsgrad=True), ValueError, "amsgrad must be False, .* got True"),
        (lambda p: DampedAdamW(p, betas=(1.0, 0.9)), ValueError, r"betas\[0\] must be a number in \[0, 1\), got 1.0"),
        (lambda p: DampedAdamW(p, betas=(0.9, "x")), TypeError, r"betas\[1\] must be a number in \[0, 1\), got 'x'"),
        (lambda p: DampedAdamW(p, betas=0.9), ValueError, r"betas must be a pair of numbers in \[0, 1\), got 0.9"),
        (lambda p: DampedAdamW(p, eps=-1e-8), ValueError, "eps must be a finite number >= 0, got -1e-08"),
        (lambda p: DampedAdamW(p, damping=-1), ValueError, "damping must be a finite number > 0, got -1"),
        (lambda p: DampedAdamW(p, order="lion"), ValueError, "order must be 'adam' or 'innaprop', got 'lion'"),
        (lambda p: DampedAdamW(p, order=None), TypeError, "order must be 'adam' or 'innaprop', got None"),
        (lambda p: DampedAdamW(p, momentum=0.9), TypeError, "DampedAdamW has no argument 'momentum'; .* has betas"),
    ],
)
def test_bad_arguments(call: Callable[[Any], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call([torch.ones(2)])


@pytest.mark.parametrize(
    ("cls", "name", "value", "message"),
    [
        (DampedSGD, "momentum", 1.5, "momentum must be"),
        (DampedSGD, "damping", -1.0, "damping must be"),
        (DampedSGD, "lr", "much", "lr must be"),
        (DampedSGD, "nesterov", True, "damping must be None"),
        (DampedAdamW, "betas", (0.9, 1.0), r"betas\[1\] must be"),
        (DampedAdamW, "betas", (0.9, torch.ones(2)), r"betas\[1\] (must be|of group 1)"),
        (DampedAdamW, "amsgrad", True, "amsgrad must be"),
        (DampedAdamW, "order", "lion", "order must be"),
        (DampedAdamW, "damping", 0.0, "damping must be"),
        (DampedAdamW, "eps", math.nan, "eps must be"),
    ],
)
def test_a_bad_setting_of_a_group_is_refused_before_anything_changes(
    cls: type[Any], name: str, value: Any, message: str
) -> None:
    for flags in FLAGS[cls].values():
        params = [torch.ones(2), torch.ones(3)]
        optimizer = cls([{"params": params[:1]}, {"params": params[1:]}], **USUAL[cls] | {"damping": 3.0}, **flags)
        for param in params:
            param.grad = torch.ones_like(param)
        optimizer.step()
        before = copy.deepcopy((params, optimizer.state_dict()["state"]))
        optimizer.param_groups[1][name] = value
        with pytest.raises((TypeError, ValueError), match=f"^{message}"):
            optimizer.step()
        torch.testing.assert_close((params, optimizer.state_dict()["state"]), before, rtol=0, atol=0)


# State


def trained(optimizer: Any, steps: int = 2) -> Any:
    for k in range(steps):
        give_gradients([param for group in optimizer.param_groups for param in group["params"]], k)
        optimizer.step()
    return optimizer


@pytest.mark.parametrize(
    ("make", "load", "message"),
    [
        (lambda p: ADAMW(p, amsgrad=True), DampedAdamW, "amsgrad of group 0 of the state to load must be False"),
        (
            lambda p: DampedAdamW(p, order="innaprop"),
            DampedAdamW,
            "order of group 0 must be that .*'innaprop', got 'ad",
        ),
        (
            lambda p: ADAMW(p),
            lambda p: DampedAdamW(p, order="innaprop"),
            "order of group 0 must be .*'adam', got 'inna",
        ),
        (lambda p: SGD(p, 0.1, 0.9), DampedAdamW, "DampedAdamW, got parameter groups without betas, eps.*DampedSGD"),
        (lambda p: ADAMW(p), DampedSGD, "DampedSGD, got parameter groups without momentum.*DampedAdamW"),
        (lambda p: INDIAN(p), DampedAdamW, "got parameter groups without betas"),
        (lambda p: DampedSGD(p, 0.1, 0.9), INDIAN, "DampedSGD takes over"),
        (lambda p: DampedAdamW(p), INDIAN, "DampedAdamW takes over"),
    ],
)
def test_a_state_of_another_optimizer_is_refused(make: Make, load: Make, message: str) -> None:
    state_dict = trained(make(start())).state_dict()
    params = start()
    optimizer = trained(load(params))
    before = copy.deepcopy((params, optimizer.state_dict()))
    with pytest.raises(ValueError, match=message):
        optimizer.load_state_dict(state_dict)
    torch.testing.assert_close(
        (params, optimizer.state_dict()["state"]), (before[0], before[1]["state"]), rtol=0, atol=0
    )


def test_adam_is_refused_unless_its_weight_decay_is_decoupled() -> None:
    state_dict = trained(ADAMW(start())).state_dict()
    state_dict["param_groups"][0]["decoupled_weight_decay"] = False
    with pytest.raises(ValueError, match="decoupled_weight_decay of group 0 of the state to load must be True"):
        DampedAdamW(start()).load_state_dict(state_dict)
    state_dict["param_groups"][0]["weight_decay"] = 0.0
    optimizer = DampedAdamW(start())
    optimizer.load_state_dict(state_dict)
    trained(optimizer)


def test_a_state_with_a_maximum_is_refused() -> None:
    state_dict = trained(ADAMW(start())).state_dict()
    state_dict["state"][0]["max_exp_avg_sq"] = torch.ones(3, 2)
    with pytest.raises(ValueError, match="without amsgrad, got max_exp_avg_sq for parameter 0 of group 0"):
        DampedAdamW(start()).load_state_dict(state_dict)


@pytest.mark.parametrize("name", ["exp_avg", "exp_avg_sq", "step"])
def test_an_incomplete_state_is_refused(name: str) -> None:
    state_dict = trained(ADAMW(start())).state_dict()
    del state_dict["state"][1][name]
    with pytest.raises(ValueError, match=f"{name}.*parameter 1 of group 0|parameter 1 of group 0.*{name}"):
        DampedAdamW(start()).load_state_dict(state_dict)


def test_groups_of_old_releases_take_the_rest_from_the_optimizer() -> None:
    """They have no flags, and SGD without momentum had a buffer that was None."""
    state_dict = SGD(start()[:1], 0.1, 0.5).state_dict()
    group = state_dict["param_groups"][0]
    state_dict["param_groups"] = [
        {name: group[name] for name in ("params", "lr", "momentum", "dampening", "weight_decay", "nesterov")}
    ]
    state_dict["state"] = {0: {"momentum_buffer": None}}
    params = start()[:1]
    optimizer = DampedSGD(params, 0.3, foreach=False, damping=3.0)
    optimizer.load_state_dict(state_dict)
    (own,) = optimizer.param_groups
    assert (own["lr"], own["momentum"], own["damping"], own["foreach"]) == (0.1, 0.5, 3.0, False)
    trained(optimizer)


def test_the_damping_of_the_optimizer_that_loads_stays_unless_the_state_has_one() -> None:
    theirs = trained(SGD(start(), 0.1, 0.9, nesterov=True)).state_dict()
    optimizer = DampedSGD(start(), 0.3, 0.5, damping=3.0)
    optimizer.load_state_dict(theirs)
    (group,) = optimizer.param_groups
    assert (group["momentum"], group["nesterov"], group["damping"]) == (0.9, False, 3.0)
    other = DampedSGD(start(), 0.3, 0.5, nesterov=True)
    other.load_state_dict(optimizer.state_dict())
    assert (other.param_groups[0]["nesterov"], other.param_groups[0]["damping"]) == (False, 3.0)


@pytest.mark.parametrize("names", ["foreach", "for_loop", "fused"])
@pytest.mark.parametrize("damping", [None, 1.0, 3.0])
@each_class
def test_resumes(cls: type[Any], names: str, damping: float | None) -> None:
    flags = FLAGS[cls][names]
    optimizer = trained(cls(start(), **USUAL[cls], damping=damping, **flags), 4)
    params = optimizer.param_groups[0]["params"]
    other_params = [param.clone() for param in params]
    other = cls(other_params)
    other.load_state_dict(through_file(optimizer.state_dict()))
    copied = copy.deepcopy(optimizer)
    for each in (optimizer, other, copied):
        trained(each)
    torch.testing.assert_close(other_params, params, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(copied.param_groups[0]["params"], params, rtol=0, atol=0)


@pytest.mark.parametrize("names", ["foreach", "for_loop", "fused"])
def test_a_first_step_that_an_error_ends_is_still_the_first(names: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a count of steps, and with a dampening, which a first step ignores."""
    params, expected = [torch.ones(3, dtype=torch.float64)], [torch.ones(3, dtype=torch.float64)]
    optimizer = DampedSGD(params, 0.1, 0.9, 0.5, damping=1.0, **SGD_FLAGS[names])
    with monkeypatch.context() as patched:
        for owner, name in ((torch, "_foreach_add_"), (Tensor, "add_")):
            patched.setattr(owner, name, lambda *_, **__: raise_out_of_memory())
        params[0].grad = torch.ones(3, dtype=torch.float64)
        with pytest.raises(torch.OutOfMemoryError):
            optimizer.step()
    trained(optimizer)
    trained(SGD(expected, 0.1, 0.9, 0.5))
    torch.testing.assert_close(params, expected, rtol=1e-14, atol=0)


def raise_out_of_memory() -> None:
    raise torch.OutOfMemoryError("no memory left")


@each_class
def test_groups_that_are_added_are_checked(cls: type[Any]) -> None:
    optimizer = cls([torch.ones(2)], **USUAL[cls], damping=3.0)
    optimizer.add_param_group({"params": [torch.ones(3)], "damping": 2})
    assert [group["damping"] for group in optimizer.param_groups] == [3.0, 2.0]
    with pytest.raises(ValueError, match="damping must be"):
        optimizer.add_param_group({"params": [torch.ones(3)], "damping": 0})
    with pytest.warns(UserWarning, match=f"{cls.__name__} does not use 'alpha' of a parameter group"):
        optimizer.add_param_group({"params": [torch.ones(3)], "alpha": 0.1})
    assert len(optimizer.param_groups) == 3


# Kernels and memory


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"damping": 1.0}, [1, 1, 1]),
        ({"damping": 1.0, "weight_decay": 0.1, "maximize": True}, [1, 1, 1]),
        ({"damping": 1.0, "dampening": 0.5}, [0, 1, 1]),
        ({"nesterov": True}, [1, 1, 1]),
        ({}, [1, 1, 1]),
        ({"damping": 3.0}, [1, 1, 1]),
        ({"damping": 20.0}, [1, 1, 1]),
        ({"damping": 10.0}, [0, 0, 0]),
        ({"damping": 1.0, "fused": None}, [0, 0, 0]),
    ],
)
def test_where_the_kernel_of_sgd_is_taken(options: dict[str, Any], expected: list[int]) -> None:
    params = [torch.ones(3), torch.ones(4)]
    optimizer = DampedSGD(params, **USUAL[DampedSGD] | {"fused": True} | options)
    assert [calls(optimizer, k)["aten::_fused_sgd_"] for k in range(3)] == expected
    # The default is Nesterov's here.
    is_scaled = options.get("damping") in (3.0, 20.0)
    assert all(("multiple" in state) == is_scaled for state in optimizer.state.values())


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"damping": 1.0}, [1, 1, 1]),
        ({"damping": 1.0, "maximize": True}, [1, 1, 1]),
        ({}, [1, 1, 1]),
        ({"damping": 3.0, "maximize": True}, [1, 1, 1]),
        ({"damping": 0.5}, [1, 1, 1]),
        ({"damping": 7.0}, [1, 1, 1]),
        ({"damping": 20.0}, [0, 0, 0]),
        ({"damping": 1.0, "fused": None}, [0, 0, 0]),
        ({"damping": 1.0, "order": "innaprop"}, [0, 0, 0]),
    ],
)
def test_where_the_kernel_of_adamw_is_taken(options: dict[str, Any], expected: list[int]) -> None:
    params = [torch.ones(3), torch.ones(4)]
    optimizer = DampedAdamW(params, **USUAL[DampedAdamW] | {"fused": True} | options)
    assert [calls(optimizer, k)["aten::_fused_adamw_"] for k in range(3)] == expected


def calls(optimizer: Any, k: int) -> Any:
    give_gradients(optimizer.param_groups[0]["params"], k)
    return calls_of(optimizer.step)


def test_the_kernels_are_right_on_the_host_in_full_precision() -> None:
    """If they were not, the tests above would say nothing of them."""
    for dtype in (torch.float32, torch.float64):
        assert fused.is_right(torch.device("cpu"), dtype)
        assert fused_adam.is_right(torch.device("cpu"), dtype)
    assert not fused_adam.is_right(torch.device("cpu"), torch.bfloat16)


@pytest.mark.parametrize("flags", [{"foreach": True}, {"fused": True}], ids=["foreach", "fused"])
@pytest.mark.parametrize("damping", [1.0, 3.0])
@each_class
def test_temporaries_are_chunks(cls: type[Any], damping: float, flags: dict[str, bool]) -> None:
    """Of 2¹⁸ elements, of which few are alive at a time, however large the parameters are."""
    optimizer = cls([torch.ones(2**21), torch.ones(2**10, 2**9)], **USUAL[cls], damping=damping, **flags)
    assert peak_of_a_step(optimizer) <= 4 * 4 * 2**18


# Surroundings


@pytest.mark.parametrize("names", ["foreach", "for_loop", "fused"])
@each_class
def test_gradient_scaler_and_autocast(cls: type[Any], names: str) -> None:
    """A batch that overflows leaves no trace, and a scale of a power of two rounds nothing."""
    results = []
    for scaled in (True, False):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
        optimizer = cls(model.parameters(), **USUAL[cls], damping=3.0, **FLAGS[cls][names])
        scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, enabled=scaled)
        for factor in (torch.inf, 1.0, 0.5, torch.inf, 2.0) if scaled else (1.0, 0.5, 2.0):
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16):
                loss = factor * model(torch.linspace(-1, 1, 24).reshape(8, 3)).float().square().mean()
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
        results.append(optimizer.state_dict()["state"])
    torch.testing.assert_close(*results, rtol=1e-6, atol=1e-6)


@each_class
def test_it_trains_with_a_scheduler(cls: type[Any]) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
    inputs = torch.randn(64, 4)
    targets = inputs.sum(1, keepdim=True).abs()
    optimizer = cls(model.parameters(), **USUAL[cls])
    scheduler = CosineAnnealingLR(optimizer, 100)
    losses = []
    for _ in range(100):
        optimizer.zero_grad()
        loss = (model(inputs) - targets).square().mean()
        loss.backward()
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 4


@pytest.mark.slow
@each_class
def test_compiled_step_has_two_graphs(cls: type[Any]) -> None:
    """One for the first step, one for later ones."""
    torch.compiler.reset()
    params, plain_params = start(torch.float32)[:3], start(torch.float32)[:3]
    optimizer, plain = (
        cls(ps, **USUAL[cls] | {"lr": torch.tensor(0.02)}, damping=3.0) for ps in (params, plain_params)
    )
    counter = CompileCounterWithBackend("aot_eager")
    step = torch.compile(optimizer.step, backend=counter)
    for k in range(4):
        give_gradients(plain_params, k)
        for param, other in zip(params, plain_params, strict=True):
            assert other.grad is not None
            param.grad = other.grad.clone()
        plain.step()
        step()
        torch.testing.assert_close(params, plain_params, rtol=1e-5, atol=1e-5)
    assert counter.frame_count == 2
    torch.compiler.reset()


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_functional_step_in_the_order_of_adam(dtype: torch.dtype) -> None:
    param, other = torch.linspace(-1, 1, 8).to(dtype), torch.linspace(-1, 1, 8).to(dtype)
    average, square = torch.zeros_like(param), torch.zeros_like(param)
    optimizer = DampedAdamW([other], 0.1, (0.9, 0.99), damping=3.0)
    for k in range(3):
        other.grad = torch.cos(torch.arange(8.0) + k).to(dtype)
        optimizer.step()
        coefficients = pre_damping_form(0.1, 0.9, 3.0, weight_decay=0.01, count=k + 1)
        norm = norm_coefficients("rmsprop", k + 1, 0.99, 1e-8)
        functional_step([param], [other.grad], [average], [square], coefficients, norm, norm_last=True)
        torch.testing.assert_close(param, other, rtol=1e-14, atol=0)
