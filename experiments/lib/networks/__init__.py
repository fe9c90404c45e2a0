"""Networks: described once in NumPy, and built in PyTorch, Keras and JAX from the same initial weights.

`experiments.lib.networks.layers` has the layers and `experiments.lib.networks.architectures` the networks made of them;
`torch_network`, `keras_network` and `jax_network` build a description. The GPT has a description of its own, and the
networks of the trust-region experiments are in PyTorch alone.
"""
