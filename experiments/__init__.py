"""Experiments: each module prints its own figures and tables. Not part of the installed package."""
