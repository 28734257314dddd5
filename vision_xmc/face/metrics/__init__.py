"""Metrics of verification: on pairs of pictures and on pairs of templates."""
