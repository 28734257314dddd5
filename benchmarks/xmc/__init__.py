"""Extreme multi-label text classification against its peers: ``python -m benchmarks.xmc``."""
