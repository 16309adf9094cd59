"""Compare the program's files with their packages' hashes (PEP 376 and 627)."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path

import core


def changed_files(site: Path | None = None) -> list[Path] | None:
    """The files that are not as they were installed, or are gone.

    None where Fieldline runs from its sources.

    `site` is the folder with the installed packages; by default the one that this program runs from.
    """
    site = site or Path(core.__file__).parents[1]
    installed = list(distributions(path=[str(site)]))
    own = next((each for each in installed if each.name == "fieldline"), None)
    if own is None or _is_editable(own):
        return None
    return sorted({path for each in installed for path in _changed(each)})


def _is_editable(distribution: Distribution) -> bool:
    """Whether only a pointer to the sources was installed (PEP 610)."""
    text = distribution.read_text("direct_url.json")
    return text is not None and bool(json.loads(text).get("dir_info", {}).get("editable"))


def _changed(distribution: Distribution) -> Iterator[Path]:
    # Not `distribution.files`, which leaves out what is gone, from Python 3.12 on.
    for name, hashed, *_size in csv.reader((distribution.read_text("RECORD") or "").splitlines()):
        algorithm, _, digest = hashed.partition("=")
        path = Path(str(distribution.locate_file(name)))
        if hashed and _digest(path, algorithm) != digest:
            yield path


def _digest(path: Path, algorithm: str) -> str | None:
    """The hash of a file as RECORD writes it: base64 without padding.

    None if it cannot be read.
    """
    try:
        digest = hashlib.new(algorithm, path.read_bytes()).digest()
    except OSError:
        return None
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
