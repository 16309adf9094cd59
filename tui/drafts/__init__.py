"""Edits that are not applied yet, and how they survive a session that was cut off."""
