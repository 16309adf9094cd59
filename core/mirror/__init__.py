"""The mirror of a store in PostgreSQL, for those who ask in SQL.

The only package that knows psycopg.
"""
