"""`python -m tui.cli`: the program without its console script."""

from __future__ import annotations

from tui.cli.entry import main

if __name__ == "__main__":
    main()
