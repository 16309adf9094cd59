"""Benchmarks: what they print is a ratio to a baseline run beside them."""
