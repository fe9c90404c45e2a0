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

from indian_torch import INDIAN, INNAprop, TrustRegion

SHAPES = ((3,), (2, 2), (1,), ())
REFUSALS = (RuntimeError, TypeError, ValueError, NotImplementedError)
PLAIN = {"foreach": False, "fused": None, "capturable": False}
FLAGS: tuple[dict[str, Any], ...] = (
    {"foreach": None, "fused": None, "capturable": False},
    {"foreach": True, "fused": None, "capturable": False},
    {"foreach": None, "fused": True, "capturable": False},
    {"foreach": None, "fused": None, "capturable": True},
    PLAIN,
)


class User:
    """One user's parameters and optimizer; the same seed gives the same data to both twins."""

    def __init__(self, cls: type[Any], options: dict[str, Any], flags: dict[str, Any], shapes: list[Any]) -> None:
        self.cls, self.options, self.flags = cls, options, {} if cls is TrustRegion else flags
        self.params = [nn.Parameter(torch.full(shape, 1.0 + i)) for i, shape in enumerate(shapes)]
        half = max(1, len(shapes) - 1)
        self.optimizer = self.make([{"params": self.params[:half]}, {"params": self.params[half:]}])

    def make(self, groups: list[dict[str, Any]]) -> Any:
        return self.cls(groups, **self.options, **self.flags)

    def contents(self) -> Any:
        """Copies of all that an error must not change."""
        states = [
            {key: value.detach().clone() if isinstance(value, Tensor) else value for key, value in state.items()}
            for state in self.optimizer.state.values()
        ]
        return [p.detach().clone() for p in self.params], states, repr(self.optimizer)

    def loss(self) -> Tensor:
        return sum(((p - 0.5) ** 2).sum().to(torch.float64) for p in self.params)  # type: ignore[return-value]

    def take_step(self) -> None:
        if self.cls is TrustRegion:
            self.optimizer.step(self.loss)
        else:
            self.optimizer.step()

    def give_gradients(self, seed: int, missing: float, value: float | None, dtype: torch.dtype | None) -> None:
        rng = random.Random(seed)
        for param in self.params:
            # The twins' parameters differ by rounding, so the gradient does not depend on them.
            number = rng.uniform(-1, 1) if value is None or rng.random() < 0.5 else value
            param.grad_dtype = None
            param.grad = None if rng.random() < missing else torch.full_like(param, number, dtype=dtype)


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
    before = param.data
    param.data = torch.ones((300,) if seed % 3 else (1,), dtype=param.dtype)
    if seed % 2:
        param.grad = torch.ones_like(param)
    own = user.contents()
    try:
        user.take_step()
    except REFUSALS:
        assert_same(user.contents(), own, 0.0)
        raise
    finally:
        param.data = before
        param.grad = None


def add_group(user: User, seed: int) -> None:
    param = nn.Parameter(torch.full(SHAPES[seed % len(SHAPES)], 0.5, dtype=user.params[0].dtype))
    bad = {"norm_epsilon": -1.0} if seed % 3 == 0 else {}
    user.optimizer.add_param_group({"params": [param], **bad})
    user.params.append(param)


def change_flag(user: User, seed: int) -> None:
    if user.cls is not TrustRegion and user.flags != PLAIN:
        user.optimizer.param_groups[seed % 2].update(FLAGS[seed % len(FLAGS)])


def change_settings(user: User, seed: int) -> None:
    group = user.optimizer.param_groups[seed % 2]
    if user.cls is not TrustRegion:
        group["lr"] = (0.01, 0.1, 0.2, torch.tensor(0.05), torch.ones(2))[seed % 5]


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


def load_in_other_order(user: User, seed: int) -> None:
    """Into another optimizer, whose steps follow; the user's own must be unharmed."""
    groups = [{"params": group["params"][::-1]} for group in user.optimizer.param_groups[::-1]]
    other = User.__new__(User)
    other.__dict__.update(user.__dict__, params=copy.deepcopy(user.params))
    twin = dict(zip(user.params, other.params, strict=True))
    other.optimizer = user.make([{"params": [twin[p] for p in group["params"]]} for group in groups])
    step(other, seed)
    before = other.contents()
    try:
        other.optimizer.load_state_dict(user.optimizer.state_dict())
    except REFUSALS:
        assert_same(other.contents(), before, 0.0)
        raise
    step(other, seed)


def load_into_other_class(user: User, seed: int) -> None:
    classes = (INDIAN, INNAprop, TrustRegion, torch.optim.AdamW)
    cls: Any = classes[seed % len(classes)]
    other = cls([{"params": group["params"]} for group in user.optimizer.param_groups])
    if cls is torch.optim.AdamW:
        step(user, seed)
        user.optimizer.load_state_dict(other.state_dict())
    else:
        other.load_state_dict(user.optimizer.state_dict())


ACTIONS: tuple[Callable[[User, int], None], ...] = (
    step,
    step,
    step,
    step_with_missing_gradients,
    step_with_nan,
    step_with_other_dtype,
    step_with_changed_shape,
    add_group,
    change_flag,
    change_settings,
    change_dtype,
    move_state,
    copy_all,
    save_and_load,
    load_in_other_order,
    load_into_other_class,
)


def assert_same(actual: Any, expected: Any, tolerance: float) -> None:
    torch.testing.assert_close(actual[:2], expected[:2], rtol=tolerance, atol=tolerance, equal_nan=True)
    if not tolerance:
        assert actual[2] == expected[2]


def run_sequence(seed: int) -> None:
    """Drive one optimizer and its twin through up to six actions."""
    rng = random.Random(seed)
    cls: Any = rng.choice((INDIAN, INDIAN, INNAprop, INNAprop, TrustRegion))
    options: dict[str, Any] = {"norm_epsilon": 1e-2}
    if cls is TrustRegion:
        options |= {"radius": 0.3, "norm": rng.choice((None, "rmsprop", "adagrad"))}
    else:
        options |= {"lr": 0.05, "weight_decay": rng.choice((0.0, 0.1))}
    if cls is INDIAN:
        options |= {"norm": rng.choice((None, "rmsprop", "adagrad")), "alpha": 0.5, "beta": 0.2}
    flags = rng.choice(FLAGS)
    shapes = [rng.choice(SHAPES) for _ in range(rng.randint(1, 3))]
    users = [User(cls, options, flags, shapes), User(cls, options, PLAIN, shapes)]
    for _ in range(rng.randint(1, 6)):
        action, number = rng.choice(ACTIONS), rng.randrange(2**20)
        outcomes = [_outcome(user, action, number) for user in users]
        assert outcomes[0] == outcomes[1], f"{action.__name__}: {outcomes}"
        if users[0].cls is not TrustRegion or action is not step_with_nan:
            for p, q in zip(users[0].params, users[1].params, strict=True):
                # Where a number is infinite once, the implementations agree only in that later ones are not finite.
                pair = [torch.where(each.isfinite(), each, torch.nan) for each in (p.detach(), q.detach())]
                torch.testing.assert_close(*pair, rtol=1e-4, atol=1e-5, equal_nan=True)


def _outcome(user: User, action: Callable[[User, int], None], number: int) -> bool:
    """Whether the action succeeded; an error must have changed nothing."""
    before = user.contents()
    try:
        action(user, number)
    except REFUSALS:
        probe = user.contents()
        # A step within an action may have succeeded before a load was refused.
        if action is not load_into_other_class:
            assert_same(probe, before, 0.0)
        return False
    return True


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
