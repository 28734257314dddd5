"""Decoding speed: output layers against fairseq's full softmax and adaptive softmax."""
