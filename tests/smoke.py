"""Import one adapter and use what it has: `python tests/smoke.py indian_torch`. It needs the adapter's framework alone.

It also runs away from the repository, with an installed wheel.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path

# Python looks for modules in this folder first, and Keras would take its subfolder jax for JAX where that is missing.
sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != Path(__file__).resolve().parent]

import numpy as np  # noqa: E402

MINIMUM = np.array([1.0, -2.0, 0.5], np.float32)


def check(what: str, found: object) -> None:
    """Fail unless these are near the minimum of the test problem."""
    distance = float(np.abs(np.asarray(found, dtype=np.float64) - MINIMUM).max())
    # A norm takes steps of the same size near the minimum, too.
    if not distance < 0.2:
        raise SystemExit(f"{what}: {distance} from the minimum")
    print(f"{what}: ok")


def indian_torch() -> None:
    """Every implementation of the step, a compiled step, and the trust region."""
    import torch

    from indian_torch import INDIAN, DampedAdamW, DampedSGD, INNAprop, TrustRegion

    minimum = torch.from_numpy(MINIMUM)

    def minimize(
        what: str, make: Callable[[list[torch.Tensor]], torch.optim.Optimizer], compiled: bool = False
    ) -> None:
        param = torch.nn.Parameter(torch.zeros(3))
        empty = torch.nn.Parameter(torch.zeros(0, 2))
        optimizer = make([param, empty])

        def closure() -> torch.Tensor:
            optimizer.zero_grad()
            loss = (param - minimum).square().sum() + empty.sum()
            loss.backward()
            return loss

        # This backend needs no C++ compiler.
        step = torch.compile(optimizer.step, backend="aot_eager") if compiled else optimizer.step
        for _ in range(300):
            closure()
            step()
        check(what, param.detach().numpy())
        optimizer.load_state_dict(optimizer.state_dict())

    for flags in ({"foreach": False}, {"foreach": True}, {"fused": True}, {"capturable": True}):
        minimize(f"INDIAN {flags}", lambda params, flags=flags: INDIAN(params, 0.1, 0.5, 0.2, **flags))
        minimize(f"INNAprop {flags}", lambda params, flags=flags: INNAprop(params, 0.02, **flags))
        minimize(f"DampedAdamW {flags}", lambda params, flags=flags: DampedAdamW(params, 0.02, **flags))
        if "capturable" not in flags:
            minimize(f"DampedSGD {flags}", lambda params, flags=flags: DampedSGD(params, 0.01, 0.9, **flags))
    minimize("AdaGrad", lambda params: INDIAN(params, 0.2, norm="adagrad"))
    minimize("torch.compile", lambda params: INDIAN(params, 0.1, 0.5, 0.2), compiled=True)
    minimize("torch.compile, DampedAdamW", lambda params: DampedAdamW(params, torch.tensor(0.02)), compiled=True)
    param = torch.nn.Parameter(torch.zeros(3))
    optimizer = TrustRegion([param], radius=1.0)
    for _ in range(20):
        optimizer.step(lambda: (param - minimum).square().sum())
    check("TrustRegion", param.detach().numpy())


def indian_jax() -> None:
    """Transformations, in `jax.jit`, and the trust region."""
    import jax
    import jax.numpy as jnp
    import optax

    from indian_jax import damped_adamw, damped_sgd, indian, innaprop, phase, power_decay, trust_region

    def loss(params: jax.Array) -> jax.Array:
        return jnp.sum((params - MINIMUM) ** 2)

    for what, tx in {
        "indian": indian(0.1, 0.5, 0.2),
        "schedule": indian(power_decay(0.2, 0.1), 0.5, 0.2),
        "innaprop": innaprop(0.02),
        "adagrad": indian(0.2, norm="adagrad"),
        "damped_sgd": damped_sgd(0.01, 0.9, damping=3.0),
        "damped_adamw": damped_adamw(0.02, weight_decay=0.0),
        "inject_hyperparams": optax.inject_hyperparams(indian)(learning_rate=0.1, alpha=0.5, beta=0.2),
        "chain": optax.chain(optax.clip_by_global_norm(10.0), indian(0.1, 0.5, 0.2)),
    }.items():
        params = jnp.zeros(3)
        state = tx.init(params)
        update = jax.jit(tx.update)
        for _ in range(300):
            updates, state = update(jax.grad(loss)(params), state, params)
            params = optax.apply_updates(params, updates)
        check(what, params)
        if what == "indian":
            phase(params, state, alpha=0.5, beta=0.2)
    tx = trust_region(radius=1.0)
    params = jnp.zeros(3)
    state = tx.init(params)
    for _ in range(20):
        value, gradient = jax.value_and_grad(loss)(params)
        updates, state = tx.update(gradient, state, params, value=value, grad=gradient, value_fn=loss)
        params = optax.apply_updates(params, updates)
    check("trust_region", params)


def indian_tf() -> None:
    """Optimizers on the backend that KERAS_BACKEND names, `fit`, and on TensorFlow the trust region."""
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    import indian_tf

    keras.utils.set_random_seed(0)
    generator = np.random.default_rng(0)
    x = generator.standard_normal((64, 3)).astype("float32")
    y = x @ MINIMUM[:, None]

    def train(what: str, optimizer: object, kind: type = keras.Model, epochs: int = 60) -> None:
        inputs = keras.Input((3,))
        model = kind(inputs, keras.layers.Dense(1, use_bias=False)(inputs))
        model.compile(optimizer=optimizer, loss="mse")
        model.fit(x, y, batch_size=32, epochs=epochs, verbose=0)
        check(what, model.get_weights()[0][:, 0])

    print(f"keras {keras.__version__} on {keras.backend.backend()}")
    train("INDIAN", indian_tf.INDIAN(learning_rate=0.1, alpha=0.5, beta=0.2))
    train("INNAprop", indian_tf.INNAprop(learning_rate=indian_tf.PowerDecay(0.1, 0.25)))
    train("AdaGrad", indian_tf.INDIAN(learning_rate=0.3, norm="adagrad"))
    train("DampedSGD", indian_tf.DampedSGD(0.02, momentum=0.9))
    train("DampedAdamW", indian_tf.DampedAdamW(0.05, weight_decay=0.0))
    schedule = indian_tf.PowerDecay(0.2, 0.1)
    train("weight decay, schedule, clipping", indian_tf.INDIAN(schedule, 0.5, 0.2, weight_decay=1e-4, clipnorm=10.0))
    if keras.backend.backend() == "tensorflow":
        optimizer = indian_tf.TrustRegion(radius=1.0)
        train("TrustRegion", optimizer, indian_tf.TrustRegionModel, epochs=10)


if __name__ == "__main__":
    # With the repository around it the package lies beside the folder of this file, else it is installed.
    if Path.cwd() == Path(__file__).resolve().parents[1]:
        sys.path.insert(0, str(Path.cwd()))
    {"indian_torch": indian_torch, "indian_jax": indian_jax, "indian_tf": indian_tf}[sys.argv[1]]()
