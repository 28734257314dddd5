"""Beam search over candidates: fairseq's own generator on a few columns instead of the vocabulary."""
