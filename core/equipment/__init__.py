"""Where this device is, and what it is set up with.

Read, compared with what the fleet says, adopted, applied.

The device's own settings alone say what is read and run; nothing that was synced names a file or a command.
"""
