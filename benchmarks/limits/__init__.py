"""How far every head is from the time of its matrix products on a CPU: `python -m benchmarks.limits`."""
