"""The one exception that the command line turns into a sentence for the user."""


class PrepError(Exception):
    """Something the user can put right. The message names the file, line or option, and the way out."""
