"""The error a user can mend. The command line prints it as one line and exits with 2."""


class InputError(ValueError):
    """Input the user gave cannot be used; the message names it, the fault and the remedy."""
