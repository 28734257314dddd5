"""Quality, size and speed of the heads, each in one row: `python -m benchmarks.<name>`."""
