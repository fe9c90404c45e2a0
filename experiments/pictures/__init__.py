"""Illustrations for the documentation, drawn in seconds; every module with a ``main`` is an experiment."""
