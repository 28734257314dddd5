"""Trainers for images, multi-label text and faces, on one training loop and the heads of ``mhe_nmt``."""
