"""Verification and identification figures."""
