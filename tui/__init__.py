"""The face of Fieldline: the terminal UI and the command line."""
