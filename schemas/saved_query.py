"""Saved queries on the wire."""

from marshmallow import Schema

from schemas.representation import Representation, Text


class SavedQuerySchema(Schema):
    """A query that a city keeps: its name, its title, the arguments of GET requests that it stands for, and its feed."""

    code = Text(required=True)
    title = Text(required=True)
    arguments = Text(required=True)
    feed_url = Text(required=True)


SAVED_QUERIES = Representation(schema=SavedQuerySchema, plural="queries", singular="query")
