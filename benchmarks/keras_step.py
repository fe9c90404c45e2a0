"""Time of a step of INDIAN in Keras, beside Keras' own Adam and SGD, on each backend.

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


def main() -> None:
    """Run each backend in a process of its own, since Keras has one backend per process, and collect the reports."""
    arguments = options(__doc__)
    report = Report()
    report.add(machine("keras", "tensorflow", "jax", "torch"))
    report.add(f"Medians over {arguments.rounds} rounds; ratios with quartiles.")
    for backend in BACKENDS:
        command = [sys.executable, "-m", "benchmarks.keras_step", f"--rounds={arguments.rounds}"]
        environment = os.environ | {"KERAS_BACKEND": backend, "INDIAN_BENCHMARK": backend}
        run = subprocess.run(
            [*command, f"--scale={arguments.scale}"], env=environment, stdout=subprocess.PIPE, text=True, check=True
        )
        report.add(run.stdout.strip())
    report.save(arguments.output)


def one_backend() -> None:
    """Print the tables of the backend of this process."""
    import keras

    from indian_tf import INDIAN

    arguments = options(__doc__)
    report = Report()
    contenders: dict[str, Callable[[], Any]] = {
        "INDIAN": lambda: INDIAN(0.01),
        PEERS[0]: lambda: keras.optimizers.Adam(0.01),
        PEERS[1]: lambda: keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True),
    }
    for size, (tensors, elements) in SIZES.items():
        shapes: list[tuple[int, ...]] = [(max(1, int(elements * arguments.scale)),)] * tensors
        for title, new_step in _ways():
            steps, sizes = {}, []
            for name, new_optimizer in contenders.items():
                optimizer = new_optimizer()
                steps[name] = new_step(optimizer, shapes)
                steps[name]()
                sizes.append(f"{name} {sum(_bytes(v) for v in optimizer.variables) / 1e6:.1f} MB")
            calls = 1 if tensors == 10 else 5
            report.add(f"### {title}: {size}")
            report.add(table(measure(steps, rounds=arguments.rounds, calls=calls), PEERS))
            report.add(f"State: {', '.join(sizes)}.")


def _bytes(variable: Any) -> int:
    return int(variable.numpy().nbytes)


def _ways() -> list[tuple[str, Callable[[Any, list[tuple[int, ...]]], Callable[[], object]]]]:
    """The ways in which a step runs on the backend of this process: a title, and what makes a step of an optimizer."""
    import keras

    match keras.config.backend():
        case "tensorflow":
            return [
                ("TensorFlow, `jit_compile=True`", lambda *of: _tensorflow_step(*of, jit_compile=True)),
                ("TensorFlow, graph mode", lambda *of: _tensorflow_step(*of, jit_compile=False)),
            ]
        case "jax":
            return [("JAX, `fit`", _fit_step)]
        case _:
            return [("PyTorch", _torch_step)]


def _variables(shapes: list[tuple[int, ...]]) -> tuple[list[Any], list[Any]]:
    """Variables, and the gradients they are given."""
    import keras

    variables = [keras.Variable(keras.random.normal(shape), name=f"v{i}") for i, shape in enumerate(shapes)]
    return variables, [1e-3 * keras.random.normal(shape) for shape in shapes]


def _tensorflow_step(optimizer: Any, shapes: list[tuple[int, ...]], *, jit_compile: bool) -> Callable[[], object]:
    import tensorflow as tf

    variables, gradients = _variables(shapes)
    optimizer.build(variables)
    step = tf.function(lambda gradients: optimizer.apply(gradients, variables), jit_compile=jit_compile)
    return lambda: (step(gradients), optimizer.iterations.numpy())


def _torch_step(optimizer: Any, shapes: list[tuple[int, ...]]) -> Callable[[], object]:
    variables, gradients = _variables(shapes)
    optimizer.build(variables)
    return lambda: optimizer.apply(gradients, variables)


def _fit_step(optimizer: Any, shapes: list[tuple[int, ...]], steps: int = 10) -> Callable[[], object]:
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
    data = np.zeros((steps, 1), "float32")
    return lambda: model.fit(data, data, batch_size=1, verbose=0)


if __name__ == "__main__":
    one_backend() if "INDIAN_BENCHMARK" in os.environ else main()
