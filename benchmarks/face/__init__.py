"""Face models against sampled and full classifiers: ``python -m benchmarks.face``."""
