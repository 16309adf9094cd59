"""The store: immutable changes in SQLite, what is derived, and views.

Of the present and the past.
"""
