"""Turns raw parallel text into a fairseq data folder, and scores translations as detokenised text.

Command line: ``python -m data_prep {prepare,score,encode,decode,order,reorder} --help``.
"""
