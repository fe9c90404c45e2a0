"""Time of a step of all optimizers of `indian_tf` in Keras, beside Keras' own Adam, AdamW and SGD, on each backend.

A step updates float32 variables from gradients that lie in memory. On TensorFlow it is `optimizer.apply` in a
`tf.function`, with and without `jit_compile`; on PyTorch `optimizer.apply` itself; on JAX a step of `model.fit`, whose
model costs nothing: its loss is 0 and its gradients are arrays that it holds.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from benchmarks.side_by_side import SIZES, Report, machine, measure, options, table

BACKENDS = ["tensorflow", "jax", "torch"]
PEERS = ["Keras Adam", "Keras SGD, Nesterov"]
STEPS = 10
"""Steps of one `fit`."""

Step = Callable[[], object]
Shapes = list[tuple[int, ...]]


def main() -> None:
    """Run each backend in a process of its own, since Keras has one backend per process, and collect the reports."""
    arguments = options(__doc__)
    report = Report()
    report.add(machine("keras", "tensorflow", "jax", "torch"))
    program = "from benchmarks.keras_step import one_backend; one_backend()"
    for backend in BACKENDS:
        run = subprocess.run(
            [sys.executable, "-c", program, f"--rounds={arguments.rounds}", f"--scale={arguments.scale}"],
            env=os.environ | {"KERAS_BACKEND": backend},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        report.add(run.stdout.strip())
    report.save(arguments.output)


def one_backend() -> None:
    """Print the tables of the backend of this process."""
    import keras

    from indian_tf import INDIAN, DampedAdamW, DampedSGD, INNAprop

    arguments = options(__doc__)
    report = Report()
    contenders: dict[str, Callable[[], Any]] = {
        "INDIAN": lambda: INDIAN(0.01),
        'INDIAN, norm="rmsprop"': lambda: INDIAN(0.01, norm="rmsprop"),
        'INDIAN, norm="adagrad"': lambda: INDIAN(0.01, norm="adagrad"),
        "INNAprop": lambda: INNAprop(0.01),
        "DampedSGD": lambda: DampedSGD(0.01, momentum=0.9),
        "DampedAdamW": lambda: DampedAdamW(0.01, weight_decay=0.01),
        PEERS[0]: lambda: keras.optimizers.Adam(0.01),
        "Keras AdamW": lambda: keras.optimizers.AdamW(0.01, weight_decay=0.01),
        PEERS[1]: lambda: keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True),
    }
    for size, (tensors, elements) in SIZES.items():
        shapes: Shapes = [(max(1, int(elements * arguments.scale)),)] * tensors
        for title, new_step in _ways():
            optimizers = {name: new_optimizer() for name, new_optimizer in contenders.items()}
            steps = {name: new_step(optimizer, shapes) for name, optimizer in optimizers.items()}
            for step in steps.values():
                # The first one compiles.
                step()
            report.add(f"### {title}: {size}")
            report.add(table(measure(steps, rounds=arguments.rounds, calls=1 if tensors == 10 else 5), PEERS))
            sizes = ", ".join(f"{name} {_megabytes(optimizer):.1f} MB" for name, optimizer in optimizers.items())
            report.add(f"State: {sizes}.")


def _megabytes(optimizer: Any) -> float:
    return sum(variable.numpy().nbytes for variable in optimizer.variables) / 1e6


def _ways() -> list[tuple[str, Callable[[Any, Shapes], Step]]]:
    """The ways in which a step runs on the backend of this process: a title, and what makes a step of an optimizer."""
    import keras

    match keras.config.backend():
        case "tensorflow":
            return [
                ("TensorFlow, `jit_compile=True`", lambda *of: _tensorflow_step(*of, jit_compile=True)),
                ("TensorFlow, graph mode", lambda *of: _tensorflow_step(*of, jit_compile=False)),
            ]
        case "jax":
            return [(f"JAX, a `fit` of {STEPS} steps", _fit_step)]
        case _:
            return [("PyTorch", _torch_step)]


def _variables(shapes: Shapes) -> tuple[list[Any], list[Any]]:
    """Variables, and the gradients they are given."""
    import keras

    variables = [keras.Variable(keras.random.normal(shape), name=f"v{i}") for i, shape in enumerate(shapes)]
    return variables, [1e-3 * keras.random.normal(shape) for shape in shapes]


def _tensorflow_step(optimizer: Any, shapes: Shapes, *, jit_compile: bool) -> Step:
    import tensorflow as tf

    variables, gradients = _variables(shapes)
    optimizer.build(variables)
    step = tf.function(lambda gradients: optimizer.apply(gradients, variables), jit_compile=jit_compile)
    return lambda: (step(gradients), optimizer.iterations.numpy())


def _torch_step(optimizer: Any, shapes: Shapes) -> Step:
    variables, gradients = _variables(shapes)
    optimizer.build(variables)
    return lambda: optimizer.apply(gradients, variables)


def _fit_step(optimizer: Any, shapes: Shapes) -> Step:
    import keras
    import numpy as np
    from keras import ops

    class GivenGradients(keras.layers.Layer):
        """Outputs 0, with gradients that are arrays in memory."""

        def build(self, _: Any) -> None:
            self.values = [self.add_weight(shape=shape) for shape in shapes]
            self.gradients = [self.add_weight(shape=shape, trainable=False) for shape in shapes]

        def call(self, inputs: Any) -> Any:
            gradients = [ops.convert_to_tensor(gradient) for gradient in self.gradients]

            @ops.custom_gradient
            def zero(*values: Any) -> tuple[Any, Any]:
                return 0.0 * values[0][0], lambda upstream: tuple(upstream * gradient for gradient in gradients)

            return 0.0 * inputs + zero(*[ops.convert_to_tensor(value) for value in self.values])

    model = keras.Sequential([keras.Input((1,)), GivenGradients()])
    model.compile(optimizer=optimizer, loss=lambda target, output: output)
    data = np.zeros((STEPS, 1), "float32")
    return lambda: model.fit(data, data, batch_size=1, verbose=0)


if __name__ == "__main__":
    main()
