"""What all optimizers of the adapter have in common: the names of hyperparameters, saving and loading."""
