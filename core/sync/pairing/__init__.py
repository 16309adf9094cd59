"""Pairing: two devices compare six digits, and one admits the other."""
