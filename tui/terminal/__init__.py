"""The seam between Textual and the terminal: bytes, glyphs and colours."""
