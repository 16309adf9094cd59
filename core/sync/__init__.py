"""Sync between two devices that both hold changes of one fleet: no server, any reliable byte stream."""
