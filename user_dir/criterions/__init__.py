"""Criterions."""
