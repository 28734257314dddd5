"""A check of every head on a real GPU, with times against other output layers: `python -m benchmarks.gpu`."""
