"""Links: how the bytes of a session reach the other device, and how each proves to the other which one it is."""
