"""Gradients in the norm of a step: the accumulator v takes the gradient in, in place, and A⁻¹g is new."""
