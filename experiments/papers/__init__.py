"""Figures, tables and theorems of the papers, reproduced; every module with a ``main`` is an experiment."""
