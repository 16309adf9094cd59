"""Sync between two devices of one fleet, over any reliable byte stream."""
