"""The fact store and everything that needs no screen."""
