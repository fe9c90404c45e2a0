"""The parts of the trust region: derivatives, the space of its vectors, the trial of a step, and its state."""
