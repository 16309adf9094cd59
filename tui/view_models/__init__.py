"""View models: the rows and lines that screens show, made from what was read.

None knows a screen.
"""
