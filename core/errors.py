"""The errors that people see.

A message is an English template with named fields, so that the UI can translate the template and fill the fields in;
`str(error)` is the English sentence. A message says what is wrong and what to do.
"""

from __future__ import annotations


class FieldlineError(Exception):
    """It could not be done, and nothing was changed (exit code 1).

    `template` is the English sentence with `{named}` fields, `params` fills them.
    """

    exit_code = 1

    def __init__(self, template: str, **params: object) -> None:
        super().__init__(template, params)
        self.template = template
        self.params = params

    def __str__(self) -> str:
        return self.template.format(**self.params)

    def __reduce__(self) -> tuple[object, ...]:
        """Let other processes be told of it."""
        return _remake, (type(self), self.template, self.params)


def _remake(kind: type[FieldlineError], template: str, params: dict[str, object]) -> FieldlineError:
    return kind(template, **params)


class Refused(FieldlineError):
    """The call is wrong or the input is not acceptable.

    Nothing was changed (exit code 2).
    """

    exit_code = 2


class BlockRefused(Refused):
    """A block that is not canonical, too large, badly signed or of another fleet.

    Nothing of it is kept.
    """


class AuthorUnknown(BlockRefused):
    """A block of a device that nobody ever admitted, as far as is known here.

    Nothing of it is kept.
    """


class OverLimit(BlockRefused):
    """A block of a member that has more changes than are kept of it.

    Nothing of it is kept.
    """
