"""Metrics as sums over examples."""
