"""The families of optimizers: what `indian_torch._step.family` asks for, hyperparameters and coefficients."""
