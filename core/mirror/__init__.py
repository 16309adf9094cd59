"""The mirror of a store in PostgreSQL, for those who ask in SQL; the only package that knows psycopg."""
