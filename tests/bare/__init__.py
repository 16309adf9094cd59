"""Fieldline on a distribution with nothing else on it: `make bare`."""
