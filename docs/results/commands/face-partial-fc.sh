# From the repository's folder.

# all rows
python -m benchmarks.face.partial_fc
