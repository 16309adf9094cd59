"""Build the packages: a .deb with an environment, and an archive of wheels."""
