"""Benchmarks: each module times INDIAN beside its peers and prints a table. Not part of the installed package.

``python -m benchmarks.NAME`` runs the module NAME; ``--output FILE`` also writes what it prints to a Markdown file.
"""
