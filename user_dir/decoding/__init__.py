"""Beam search on candidates: fairseq's own generator reads a few columns per row instead of the vocabulary.

The parts of one decoding step, in the order in which fairseq calls them:

1. :mod:`.ensemble` runs the decoders, makes the step's :class:`.state.StepState` and returns its columns;
2. :mod:`.generator` scores the labels that a prefix forces;
3. :mod:`.ngrams` finds the labels that would repeat an n-gram;
4. :mod:`.search` asks the heads for the best labels and lets fairseq's search choose among them.

:mod:`.fallback` names the options for which every label must be scored; :mod:`.scorer` scores references.
"""
