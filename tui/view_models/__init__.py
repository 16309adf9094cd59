"""What the screens show, as rows and lines made from what was read: no module here knows a screen."""
