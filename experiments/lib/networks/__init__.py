"""Networks: described once, with initial weights from one NumPy generator, and built in PyTorch, Keras and JAX."""
