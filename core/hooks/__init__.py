"""Commands of this device that are run for each value that changes."""
