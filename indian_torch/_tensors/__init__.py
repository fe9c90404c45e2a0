"""Tensors as memory: their dtypes, layout, shards and chunks. Nothing here knows the method."""
