"""The class layer of a face model, distributed over the processes."""
