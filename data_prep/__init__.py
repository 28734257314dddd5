"""Raw parallel text to a fairseq data folder, and detokenised scores of what a model makes of it.

Command line: ``python -m data_prep {prepare,score,encode,decode} --help``.
"""
