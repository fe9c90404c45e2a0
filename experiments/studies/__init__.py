"""Questions that the papers do not ask; every module with a ``main`` is an experiment."""
