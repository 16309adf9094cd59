"""The simulated cable by hand.

Prints the paths of its two devices, and goes on until it is stopped.

    python -m tests.cable --baud 115200 --ber 1e-5

SIGUSR1 pulls it and plugs it in again.
"""

from __future__ import annotations

import argparse
import signal
import sys

from tests.cable import Cable, Line


def main(arguments: list[str] | None = None) -> int:
    """Run a cable until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m tests.cable", description=__doc__)
    usual = Line()
    parser.add_argument("--baud", type=int, default=usual.baud, help="bits a second (default: %(default)s)")
    parser.add_argument("--ber", type=float, default=0.0, help="how probable it is that a bit is flipped")
    parser.add_argument("--drop", type=float, default=0.0, help="how probable it is that a byte is lost")
    parser.add_argument("--burst", type=float, default=0.0, help="how many seconds are lost each time")
    parser.add_argument("--every", type=float, default=usual.every, help="how many seconds after the last burst")
    parser.add_argument("--latency", type=float, default=0.0, help="how many seconds later everything arrives")
    parser.add_argument("--uart", action="store_true", help="the ports' settings count; --baud is the highest rate")
    parser.add_argument("--seed", type=int, default=0, help="another number: other accidents")
    settings = vars(parser.parse_args(arguments))
    seed = settings.pop("seed")
    stops = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, {*stops, signal.SIGUSR1})
    with Cable(Line(**settings), seed=seed) as cable:
        print(*cable.ends, sep="\n", flush=True)
        while signal.sigwait({*stops, signal.SIGUSR1}) not in stops:
            plugged = cable.plugged()
            (cable.unplug if plugged else cable.plug)()
            print("unplugged" if plugged else "plugged in", file=sys.stderr, flush=True)
        first, second = cable.wires
    for name, wire in (("there", first), ("back", second)):
        reported = f"{name}: {wire.carried} bytes, {wire.lost} lost, {wire.damaged} bits flipped"
        print(reported, file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
