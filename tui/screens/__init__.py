"""The six places and the dialogs."""
