"""The recording in the README: two devices on a cable, from real frames."""
