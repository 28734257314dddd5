"""Images to train on, from disk or drawn."""
