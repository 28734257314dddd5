"""The exception that the command line turns into one sentence for the user."""


class PrepError(Exception):
    """A mistake that the user can correct. The message names the file, line or option, and the way out."""
