"""The training loop and all that serves it. It knows no subject."""
