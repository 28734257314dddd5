"""Backbones: networks from inputs to features."""
