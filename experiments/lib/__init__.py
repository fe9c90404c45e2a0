"""What the experiments share: data, networks, optimizers, trainers, runs, tuning, curves and the command line."""
