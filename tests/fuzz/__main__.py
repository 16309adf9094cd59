"""Look for inputs that a decoder reads wrongly, led by the code that they reach.

`python -m tests.fuzz DECODER [SECONDS]`. Needs `atheris` (pip install atheris), which is no part of the environment,
since it is not to be had for every Python and processor. What fails is put into the corpus.
"""

from __future__ import annotations

import sys
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

CORPUS = Path(__file__).parent / "corpus"
DEFAULT_SECONDS = "60"
MAX_INPUT_BYTES = 4096


def main(arguments: list[str]) -> int:
    """Fuzz one decoder for so many seconds."""
    if find_spec("atheris") is None:
        sys.stdout.write(
            "skipped: atheris is not installed (pip install atheris); without it the tests of tests/fuzz try what"
            " Hypothesis makes\n"
        )
        return 0
    import atheris

    with atheris.instrument_imports(include=["core", "tui"]):
        from tests.fuzz.decoders import DECODERS
    if not arguments or arguments[0] not in DECODERS:
        sys.stderr.write(f"python -m tests.fuzz DECODER [SECONDS]; decoders: {', '.join(DECODERS)}\n")
        return 2
    name, seconds = (*arguments, DEFAULT_SECONDS)[:2]
    decoder = DECODERS[name]

    def one_input(data: bytes) -> None:
        try:
            decoder.read(data)
        except decoder.refusals:
            pass
        except BaseException:
            path = CORPUS / name / f"{sha256(data).hexdigest()[:16]}.hex"
            path.parent.mkdir(exist_ok=True)
            path.write_text(data.hex())
            sys.stderr.write(f"found: {path}\n")
            raise

    with TemporaryDirectory() as folder:
        known = [bytes.fromhex(path.read_text()) for path in (CORPUS / name).glob("*.hex")]
        for number, data in enumerate([*decoder.real, *known]):
            (Path(folder) / f"{number}").write_bytes(data)
        flags = [f"-max_total_time={seconds}", f"-max_len={MAX_INPUT_BYTES}", f"-artifact_prefix={folder}/"]
        atheris.Setup(["fuzz", *flags, folder], one_input)
        atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
