"""What is saved with an optimizer and loaded again, where Keras checks or keeps too little.

- `state`: whether a saved state fits the optimizer;
- `exemptions`: which variables are exempt from weight decay.
"""
