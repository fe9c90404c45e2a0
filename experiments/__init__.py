"""Experiments: each prints its own figures and tables. Not part of the installed package.

`experiments.papers` reproduces figures, tables and theorems of the papers, `experiments.studies` asks questions of this
project's own, `experiments.pictures` illustrates the documentation, and `experiments.demo` is the demo of the README.
They share `experiments.lib`. ``python -m experiments`` lists them.
"""
