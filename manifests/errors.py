"""Errors that a user can mend. The command line prints them as one line and exits with 2."""

import errno


class InputError(ValueError):
    """Input the user gave cannot be used; the message names it, the fault and the remedy."""


FULL = "no space left on the disk, or a quota is used up"


def is_full(error: BaseException) -> bool:
    """Whether a disk, or a user's share of it, has no room left for what was written."""
    return getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


OUT_OF_REACH = "the object store cannot be reached"


def is_out_of_reach(error: BaseException | None) -> bool:
    """Whether a store's library gave up on reaching its server, after tries of its own."""
    return any(
        kind.__module__ == "botocore.exceptions"
        and kind.__name__ in ("ConnectionError", "HTTPClientError")
        for kind in type(error).__mro__
    )
