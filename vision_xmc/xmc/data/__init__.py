"""Documents and their labels, from disk or from Python's own docstrings."""
