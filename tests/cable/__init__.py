"""A simulated serial cable.

Two pseudo-terminals, and a pump between them that is as slow and as bad as a line can be.

For tests and benchmarks: `with Cable(baud=9600, ber=1e-5) as cable: cable.ends`. By hand: `python -m tests.cable`.
"""

from __future__ import annotations

from tests.cable.cable import Cable
from tests.cable.wire import Line, Wire

__all__ = ["Cable", "Line", "Wire"]
