"""Man pages and completions, made by the packaged program from its help.

python -m fieldline_package.generated FOLDER EPOCH VERSION     with the program's modules on PYTHONPATH
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from fieldline_package.source import Source

COMPLETIONS = {
    "bash": "bash-completion/completions/fieldline",
    "zsh": "zsh/vendor-completions/_fieldline",
    "fish": "fish/vendor_completions.d/fieldline.fish",
}
"""Where each shell looks below /usr/share."""


def write(source: Source, share: Path) -> None:
    """Write what is generated below a folder like /usr/share."""
    path = os.pathsep.join([str(source.folder), str(source.packaging)])
    command = [sys.executable, "-m", __name__, str(share), str(source.epoch), source.version]
    subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, cwd=source.folder, check=True)  # noqa: S603 - this module


def main() -> None:
    """Write all with the program that can be imported here."""
    import click
    from click.shell_completion import get_completion_class

    import tui.cli.completion  # noqa: F401 - what bash needs besides click's
    from fieldline_package.manual import man_pages
    from tui.cli.help import COMPLETE_VARIABLE
    from tui.cli.main import fieldline
    from tui.i18n.translate import LANGUAGES

    share, epoch, version = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    for language in LANGUAGES:
        folder = share / "man" / ("man1" if language == "en" else f"{language}/man1")
        folder.mkdir(parents=True)
        for name, page in man_pages(fieldline, language, epoch, version).items():
            (folder / f"{name}.1").write_text(page, encoding="utf-8")
    for shell, place in COMPLETIONS.items():
        made = get_completion_class(shell)
        if made is None:
            raise click.ClickException(f"click has no completion for {shell}")
        script = made(fieldline, {}, "fieldline", COMPLETE_VARIABLE)
        path = share / place
        path.parent.mkdir(parents=True)
        path.write_text(script.source_template % script.source_vars() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
