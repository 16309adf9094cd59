"""Builds the packages: a .deb with an environment of its own, and an archive of wheels for other systems."""
