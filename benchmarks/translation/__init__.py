"""Translation with every output layer: ``python -m benchmarks.translation``."""
