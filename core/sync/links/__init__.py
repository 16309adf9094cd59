"""Links: how bytes reach the other device, and how each proves who it is."""
