"""The parts of the trust region: derivatives, and the space of its vectors. Only the TensorFlow backend loads them."""
