"""What all optimizers of the package share.

- `indian_tf._optimizer.family`: the contract of a Keras optimizer, kept over the step of one variable.
"""
