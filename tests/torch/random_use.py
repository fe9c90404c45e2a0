"""Random sequences of what users do with an optimizer, held to three laws.

The process does not crash; an error changes nothing; and without errors the trajectory is that of a twin that takes
its steps tensor by tensor (``foreach=False``), to rounding. Runs from the command line for more sequences than a test:
``python -m tests.torch.random_use --sequences 100000``.
"""

import argparse
import copy
import io
import pickle
import random
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from indian_torch import INDIAN, DampedAdamW, DampedSGD, INNAprop, TrustRegion

SHAPES = ((3,), (2, 2), (1,), ())
REFUSALS = (RuntimeError, TypeError, ValueError, NotImplementedError)
PLAIN = {"foreach": False, "fused": None, "capturable": False, "differentiable": False}
FLAGS: tuple[dict[str, Any], ...] = (
    PLAIN | {"foreach": None},
    PLAIN | {"foreach": True},
    PLAIN | {"foreach": None, "fused": True},
    PLAIN | {"foreach": None, "capturable": True},
    PLAIN | {"foreach": None, "differentiable": True},
    PLAIN,
)
STATE_DTYPES = (None, None, None, torch.float64, torch.float32, torch.bfloat16)
CLASSES = (INDIAN, INDIAN, INNAprop, INNAprop, DampedSGD, DampedAdamW, TrustRegion)


class User:
    """One user's parameters and optimizer; the same seed gives the same data to both twins."""

    def __init__(self, cls: type[Any], options: dict[str, Any], flags: dict[str, Any], params: list[Tensor]) -> None:
        self.cls, self.options, self.flags = cls, options, {} if cls is TrustRegion else flags
        if cls is DampedSGD:
            self.flags = {name: flag for name, flag in flags.items() if name != "capturable"}
        self.params, self.has_changed_settings = params, False
        half = max(1, len(params) - 1)
        self.optimizer = self.make([{"params": self.params[:half]}, {"params": self.params[half:]}])

    def make(self, groups: list[dict[str, Any]], cls: Any = None) -> Any:
        """An optimizer of this user's class and options, or of another class with its defaults."""
        return self.cls(groups, **self.options, **self.flags) if cls is None else cls(groups)

    def beside(self, groups: list[dict[str, Any]], cls: Any = None) -> "User":
        """Another user, who has taken a step with copies of the parameters."""
        other = User.__new__(User)
        other.__dict__.update(self.__dict__, params=list(map(_twin, self.params)), cls=cls or self.cls)
        if cls is TrustRegion:
            for param in other.params:
                param.requires_grad_()
        twins = dict(zip(self.params, other.params, strict=True))
        other.optimizer = self.make([{"params": [twins[p] for p in group["params"]]} for group in groups], cls)
        step(other, 0)
        return other

    def contents(self) -> Any:
        """Copies of all that an error must not change."""
        states = [{key: _copied(value) for key, value in state.items()} for state in self.optimizer.state.values()]
        rest = [repr(self.optimizer), str(getattr(self.optimizer, "report", None))]
        return [_copied(p) for p in self.params], states, [_copied(p.grad) for p in self.params], rest

    def attempt(self, call: Callable[[], Any]) -> None:
        """Make a call which, if it raises an error, must have changed nothing."""
        before = self.contents()
        try:
            call()
        except REFUSALS:
            assert_same(self.contents(), before)
            raise

    def loss(self) -> Tensor:
        return sum(((p - 0.5) ** 2).sum().to(torch.float64) for p in self.params)  # type: ignore[return-value]

    def take_step(self) -> None:
        arguments = [self.loss] if self.cls is TrustRegion else []
        self.attempt(lambda: self.optimizer.step(*arguments))

    def give_gradients(self, seed: int, missing: float, value: float | None, dtype: torch.dtype | None) -> None:
        rng = random.Random(seed)
        for param in self.params:
            # The twins' parameters differ by rounding, so the gradient does not depend on them.
            number = rng.uniform(-1, 1) if value is None or rng.random() < 0.5 else value
            param.grad_dtype = None
            param.grad = None if rng.random() < missing else torch.full_like(param, number, dtype=dtype)


def _twin(param: Tensor) -> Tensor:
    """A parameter of the same values, without a gradient."""
    value = param.detach().clone()
    return nn.Parameter(value) if param.requires_grad else value


def _copied(value: Any) -> Any:
    """A tensor that later steps do not change; of one without contents, what there is to compare."""
    if not isinstance(value, Tensor):
        return str(value)
    return f"{value.shape} {value.dtype} {value.device}" if value.is_meta else value.detach().clone()


def step(user: User, seed: int) -> None:
    user.give_gradients(seed, 0.0, None, None)
    user.take_step()


def step_with_missing_gradients(user: User, seed: int) -> None:
    user.give_gradients(seed, 0.5, None, None)
    user.take_step()


def step_with_nan(user: User, seed: int) -> None:
    user.give_gradients(seed, 0.0, (torch.nan, torch.inf)[seed % 2], None)
    user.take_step()


def step_with_other_dtype(user: User, seed: int) -> None:
    dtypes = (torch.float64, torch.float32, torch.bfloat16, torch.complex64, torch.int32)
    user.give_gradients(seed, 0.2, None, dtypes[seed % len(dtypes)])
    user.take_step()


def step_with_changed_shape(user: User, seed: int) -> None:
    user.give_gradients(seed, 0.0, None, None)
    param = user.params[seed % len(user.params)]
    before, has_state = param.data, param in user.optimizer.state
    param.data = torch.ones((300,) if seed % 3 else (1,), dtype=param.dtype)
    if seed % 2:
        param.grad = torch.ones_like(param)
    try:
        user.take_step()
    finally:
        param.data = before
        param.grad = None
        if not has_state:
            # If the step has made one, it is of the other shape.
            user.optimizer.state.pop(param, None)


def step_with_shared_memory(user: User, seed: int) -> None:
    """A parameter whose elements lie at one address, as `Tensor.expand` makes them."""
    user.give_gradients(seed, 0.0, None, None)
    param = user.params[seed % len(user.params)]
    if param.numel() < 2:
        return
    before = param.data
    param.data = torch.ones((), dtype=param.dtype).expand(param.shape)
    try:
        user.take_step()
    finally:
        param.data = before
        param.grad = None


def step_whose_closure_raises(user: User, seed: int) -> None:
    calls = []

    def closure() -> Tensor:
        calls.append(None)
        # The trust region evaluates the loss at the parameters and at the trial point.
        if len(calls) > seed % 2 or user.cls is not TrustRegion:
            raise ValueError("no batch left")
        return user.loss()

    user.attempt(lambda: user.optimizer.step(closure))


def step_with_scaled_gradients(user: User, seed: int) -> None:
    """As `torch.amp.GradScaler` calls the step of an optimizer that divides by the scale itself."""
    if user.cls is TrustRegion:
        return
    user.give_gradients(seed, 0.2, None, None)
    found = (torch.tensor(0.0), torch.tensor(1.0))[seed % 2]
    scales = (torch.tensor(2.0), torch.ones(2), torch.tensor(2.0, device="meta"))
    user.optimizer.found_inf, user.optimizer.grad_scale = found, scales[seed % len(scales)]
    try:
        user.take_step()
    finally:
        del user.optimizer.found_inf, user.optimizer.grad_scale


def add_group(user: User, seed: int) -> None:
    param = torch.full(SHAPES[seed % len(SHAPES)], 0.5, dtype=user.params[0].dtype)
    param.requires_grad_(user.params[0].requires_grad)
    bad = {"norm_epsilon": -1.0} if seed % 3 == 0 else {}
    user.attempt(lambda: user.optimizer.add_param_group({"params": [param], **bad}))
    user.params.append(param)


def change_flag(user: User, seed: int) -> None:
    flags = FLAGS[seed % len(FLAGS)]
    is_protected = flags["differentiable"] and user.params[0].requires_grad
    if user.cls is not TrustRegion and user.flags != PLAIN and not is_protected:
        user.optimizer.param_groups[seed % 2].update(flags)


def change_settings(user: User, seed: int) -> None:
    values = {
        "lr": (0.01, 0.1, 0.2, torch.tensor(0.05), torch.ones(2), torch.tensor(0.1, device="meta"), "much"),
        "beta": (0.05, 0.3, torch.tensor(0.2)),
        "alpha": (0.0, 1.0, 20.0),
        "damping": (None, 1.0, 2.0, 20.0, 0.0, torch.tensor(3.0), "much"),
        "norm": (None, "rmsprop", "adagrad", "adam"),
        "maximize": (True, False),
        "velocity_dtype": (*STATE_DTYPES, torch.int32),
        "norm_dtype": (*STATE_DTYPES, "float32"),
    }
    if user.cls is not TrustRegion:
        rng = random.Random(seed)
        name = rng.choice(list(values))
        user.has_changed_settings = True
        user.optimizer.param_groups[seed % 2][name] = rng.choice(values[name])


def change_dtype(user: User, seed: int) -> None:
    dtype = (torch.float64, torch.float32)[seed % 2]
    for param in user.params:
        param.grad = None
        param.grad_dtype = None
        param.data = param.data.to(dtype)


def move_state(user: User, seed: int) -> None:
    states = list(user.optimizer.state.values())
    if not states:
        return
    state = states[seed % len(states)]
    own = dict(state)
    for key, value in own.items():
        if isinstance(value, Tensor) and key != "step":
            state[key] = value.to("meta")
    try:
        step(user, seed)
    finally:
        state.update(own)


def move_parameter(user: User, seed: int) -> None:
    """As `Module.to` does where it swaps tensors, with an optimizer that was made before."""
    user.give_gradients(seed, 0.0, None, None)
    started = [param for param in user.params if user.optimizer.state.get(param)]
    if not started:
        return
    param = started[seed % len(started)]
    there, grad = param.detach().to("meta").requires_grad_(param.requires_grad), param.grad
    param.grad = None
    torch.utils.swap_tensors(param, there)
    param.grad = grad.to("meta")
    try:
        user.take_step()
    finally:
        param.grad = None
        torch.utils.swap_tensors(param, there)


def copy_all(user: User, seed: int) -> None:
    for param in user.params:
        param.grad = None
    pair = (user.params, user.optimizer)
    user.params, user.optimizer = copy.deepcopy(pair) if seed % 2 else pickle.loads(pickle.dumps(pair))


def save_and_load(user: User, seed: int) -> None:
    file = io.BytesIO()
    saved = user.optimizer.state_dict()
    torch.save(saved, file)
    file.seek(0)
    groups = [{"params": list(group["params"])} for group in user.optimizer.param_groups]
    other = user.make(groups)
    other.load_state_dict(saved if seed % 2 else torch.load(file, weights_only=True))
    user.optimizer = other


def load_own_state(user: User, seed: int) -> None:
    """Into the optimizer that it is from, which must succeed as long as the user has changed no setting."""
    try:
        user.attempt(lambda: user.optimizer.load_state_dict(user.optimizer.state_dict()))
    except REFUSALS as error:
        if not user.has_changed_settings:
            raise AssertionError("an optimizer must load its own state") from error
        raise


def load_in_other_order(user: User, seed: int) -> None:
    """Into another optimizer, whose steps follow; the user's own must be unharmed."""
    groups = [{"params": group["params"][::-1]} for group in user.optimizer.param_groups[::-1]]
    other = user.beside(groups)
    other.attempt(lambda: other.optimizer.load_state_dict(user.optimizer.state_dict()))
    step(other, seed)


def load_into_other_class(user: User, seed: int) -> None:
    classes = (INDIAN, INNAprop, DampedSGD, DampedAdamW, TrustRegion)
    other = user.beside(user.optimizer.param_groups, classes[seed % len(classes)])
    other.attempt(lambda: other.optimizer.load_state_dict(user.optimizer.state_dict()))
    step(other, seed)


def load_from_other_class(user: User, seed: int) -> None:
    classes = (INDIAN, INNAprop, TrustRegion, DampedSGD, DampedAdamW, torch.optim.AdamW, torch.optim.SGD)
    other = user.beside(user.optimizer.param_groups, classes[seed % len(classes)])
    user.attempt(lambda: user.optimizer.load_state_dict(other.optimizer.state_dict()))
    # Those of the other one have been loaded, too.
    for group in user.optimizer.param_groups:
        group.update(user.flags)


ACTIONS: tuple[Callable[[User, int], None], ...] = (
    step,
    step,
    step,
    step,
    step_with_missing_gradients,
    step_with_nan,
    step_with_other_dtype,
    step_with_changed_shape,
    step_with_shared_memory,
    step_whose_closure_raises,
    step_with_scaled_gradients,
    add_group,
    change_flag,
    change_settings,
    change_dtype,
    move_state,
    move_parameter,
    copy_all,
    save_and_load,
    load_own_state,
    load_in_other_order,
    load_into_other_class,
    load_from_other_class,
)


def assert_same(actual: Any, expected: Any) -> None:
    """Bit by bit, except that any NaN stands for any other."""
    if isinstance(expected, Tensor):
        torch.testing.assert_close(actual, expected, rtol=0, atol=0, equal_nan=True)
    elif isinstance(expected, dict):
        assert actual.keys() == expected.keys()
        assert_same(list(actual.values()), list(expected.values()))
    elif isinstance(expected, list | tuple):
        assert len(actual) == len(expected)
        for pair in zip(actual, expected, strict=True):
            assert_same(*pair)
    else:
        assert actual == expected


def assert_close(user: User, twin: User) -> None:
    """To the rounding of the state."""
    groups = user.optimizer.param_groups
    rounds = any(group.get(name) == torch.bfloat16 for group in groups for name in ("velocity_dtype", "norm_dtype"))
    for pair in zip(user.params, twin.params, strict=True):
        # Where a number is infinite once, the implementations agree only in that later ones are not finite.
        actual, expected = [torch.where(each.isfinite(), each, torch.nan) for each in map(Tensor.detach, pair)]
        tolerance = {"rtol": 1e-2, "atol": 1e-2} if rounds else {"rtol": 1e-4, "atol": 1e-5}
        torch.testing.assert_close(actual, expected, **tolerance, equal_nan=True)


def run_sequence(seed: int) -> None:
    """Drive one optimizer and its twin through up to six actions."""
    rng = random.Random(seed)
    cls: Any = rng.choice(CLASSES)
    options: dict[str, Any] = {} if cls in (DampedSGD, DampedAdamW) else {"norm_epsilon": 1e-2}
    if cls in (DampedSGD, DampedAdamW):
        options |= {"lr": 0.05, "weight_decay": rng.choice((0.0, 0.1)), "damping": rng.choice((None, 1.0, 3.0, 12.0))}
        options |= {"momentum": 0.9} if cls is DampedSGD else {"eps": 1e-2, "order": rng.choice(("adam", "innaprop"))}
    elif cls is TrustRegion:
        options |= {"radius": 0.3, "norm": rng.choice((None, "rmsprop", "adagrad"))}
    else:
        options |= {"lr": 0.05, "weight_decay": rng.choice((0.0, 0.1))}
        options |= {name: rng.choice(STATE_DTYPES) for name in ("velocity_dtype", "norm_dtype")}
    if cls is INDIAN:
        options |= {"norm": rng.choice((None, "rmsprop", "adagrad")), "alpha": 0.5, "beta": 0.2}
    flags = rng.choice(FLAGS)
    # A step that is differentiable would be refused for leaves that require a gradient.
    trained = cls is TrustRegion or not (flags["differentiable"] or rng.random() < 0.3)
    shapes = [rng.choice(SHAPES) for _ in range(rng.randint(1, 3))]
    user, twin = [
        User(cls, options, own, [torch.full(shape, 1.0 + i).requires_grad_(trained) for i, shape in enumerate(shapes)])
        for own in (flags, PLAIN)
    ]
    for _ in range(rng.randint(1, 6)):
        action, number = rng.choice(ACTIONS), rng.randrange(2**20)
        outcomes = [_outcome(each, action, number) for each in (user, twin)]
        assert outcomes[0] == outcomes[1], f"{action.__name__}: {outcomes}"
        if cls is not TrustRegion or action is not step_with_nan:
            assert_close(user, twin)


def _outcome(user: User, action: Callable[[User, int], None], number: int) -> str:
    """The name of the error that the action raised, if any."""
    try:
        action(user, number)
    except REFUSALS as error:
        return type(error).__name__
    return "done"


def run(first: int, sequences: int) -> int:
    """Run the sequences with these seeds; a failure names its seed."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    for seed in range(first, first + sequences):
        try:
            run_sequence(seed)
        except Exception as error:
            raise AssertionError(f"sequence with seed {seed}: {type(error).__name__}: {error}") from error
    return sequences


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sequences", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0, help="seed of the first sequence")
    arguments = parser.parse_args()
    for seed in range(arguments.first, arguments.first + arguments.sequences):
        # On one line, so that the seed of a crash is the last thing that is seen.
        print(f"seed {seed}", end="\r", flush=True)
        run(seed, 1)
    print(f"{arguments.sequences} sequences: no crash, no change after an error, the trajectory of the twin")
