"""Models whose `train_step` is their own, written as each backend wants it written."""

import keras
import numpy as np
import pytest

from indian_tf import INDIAN, PowerDecay


def tensorflow_model():
    import tensorflow as tf

    class Model(keras.Sequential):
        def train_step(self, data):
            inputs, targets = data
            with tf.GradientTape() as tape:
                loss = self.compute_loss(inputs, targets, self(inputs, training=True))
            gradients = tape.gradient(loss, self.trainable_variables)
            self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
            return {"loss": loss}

    return Model


def jax_model():
    import jax

    class Model(keras.Sequential):
        def _loss(self, trainable, non_trainable, inputs, targets):
            predictions, non_trainable = self.stateless_call(trainable, non_trainable, inputs, training=True)
            return self.compute_loss(inputs, targets, predictions), non_trainable

        def train_step(self, state, data):
            trainable, non_trainable, optimizer, metrics = state
            evaluate = jax.value_and_grad(self._loss, has_aux=True)
            (loss, non_trainable), gradients = evaluate(trainable, non_trainable, *data)
            trainable, optimizer = self.optimizer.stateless_apply(optimizer, gradients, trainable)
            return {"loss": loss}, (trainable, non_trainable, optimizer, metrics)

    return Model


def torch_model():
    import torch

    class Model(keras.Sequential):
        def train_step(self, data):
            inputs, targets = data
            self.zero_grad()
            loss = self.compute_loss(inputs, targets, self(inputs, training=True))
            loss.backward()
            with torch.no_grad():
                self.optimizer.apply([variable.value.grad for variable in self.trainable_variables])
            return {"loss": loss}

    return Model


_MODELS = {"tensorflow": tensorflow_model, "jax": jax_model, "torch": torch_model}


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"gradient_accumulation_steps": 3}], ids=["every step", "every third step"])
def test_a_custom_train_step_trains_as_the_one_of_keras_does(data, options):
    weights = []
    for model_class in (keras.Sequential, _MODELS[keras.backend.backend()]()):
        keras.utils.set_random_seed(0)
        model = model_class([keras.Input((4,)), keras.layers.Dense(8, activation="tanh"), keras.layers.Dense(1)])
        optimizer = INDIAN(learning_rate=PowerDecay(0.2), alpha=0.7, beta=0.2, weight_decay=0.01, **options)
        model.compile(optimizer=optimizer, loss="mse")
        model.fit(*data, batch_size=8, epochs=4, shuffle=False, verbose=0)
        weights.append(np.concatenate([weight.ravel() for weight in model.get_weights()]))
    np.testing.assert_allclose(weights[1], weights[0], rtol=0, atol=1e-6)
