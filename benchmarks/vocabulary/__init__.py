"""Quality, memory and time of output layers on generated text, for vocabularies up to a million."""
