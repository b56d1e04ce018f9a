"""A city as a folder of files, and how it gets into the database."""
