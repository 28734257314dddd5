"""The class layer of a face model, spread over the processes."""
