"""Pairing: two devices that do not know each other compare six digits, and one admits the other."""
