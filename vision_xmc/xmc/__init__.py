"""Extreme multi-label text classification: ``python -m vision_xmc.xmc``."""
