"""The six screens, and those that open over them."""
