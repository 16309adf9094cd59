"""Format 2 of a change: the bytes that devices sign, store and relay, and what follows from them. All of it is pure."""
