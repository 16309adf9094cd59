"""Run the benchmarks, or those named.

`python -m tests.bench [store] [reconcile] …`.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

NAMES = sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py"))


def main(wanted: list[str]) -> int:
    """Run each benchmark's `run`; says which there are if one is not known."""
    unknown = [name for name in wanted if name not in NAMES]
    if unknown:
        sys.stderr.write(f"There is no benchmark {unknown[0]}: there are {', '.join(NAMES)}.\n")
        return 2
    for name in wanted or NAMES:
        import_module(f"tests.bench.{name}").run()
        print()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
