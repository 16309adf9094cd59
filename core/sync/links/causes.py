"""Why there is no link: this device, the other one, or what is between."""

from __future__ import annotations

import errno
import os

from core.errors import FieldlineError

_USED_UP = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM})
_NO_WAY_OUT = frozenset({errno.ENETUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})


class LinkError(FieldlineError):
    """No link to the other device."""


class Unable(LinkError):
    """This device cannot do its own part, whatever the other one is or does."""


def used_up(error: BaseException) -> bool:
    """Say whether this device has run out of something: open files, memory."""
    return isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in _USED_UP)


def lacking(error: BaseException) -> Unable:
    """Make the error for a device that has run out of something."""
    return Unable("This device has too little left for a connection: {why}. Close other programs.", why=why(error))


def forbidden(error: OSError) -> bool:
    """Say whether this device's own rules do not allow it: permissions, a firewall."""
    return error.errno in _FORBIDDEN


def no_way_out(error: OSError) -> bool:
    """Say whether this device has no network that leads there."""
    return error.errno in _NO_WAY_OUT


def why(error: BaseException) -> str:
    """Give the system's own words for an error, in a few of them."""
    # asyncio writes a sentence of its own into errors of the system; those of name lookups have negative numbers, and
    # those of OpenSSL are numbered by it.
    if isinstance(error, OSError):
        reason = getattr(error, "reason", None)
        if isinstance(reason, str):
            return reason
        if error.errno is not None and error.errno > 0 and not hasattr(error, "library"):
            return os.strerror(error.errno)
        return error.strerror or str(error) or type(error).__name__
    return str(error) or type(error).__name__
