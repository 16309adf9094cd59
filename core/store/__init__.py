"""The store: immutable changes in SQLite, what is derived from them, and views of the present and the past."""
