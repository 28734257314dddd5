"""German → English in a few minutes of CPU time, from a corpus made on the spot."""
