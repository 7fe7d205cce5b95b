"""Errors that a user can act on."""


class SignalboxError(Exception):
    """Something the user can mend; the message names the file, key or column and says how.

    Stage runners and the command line print it as one line, without a traceback.
    """
