"""How requests were resolved before, for everybody.  Our extension of GeoReport v2; docs/api.md."""

from marshmallow import Schema

from schemas.representation import Items, Moment, Number, Order, Representation, Text


class PinnedSchema(Schema):
    """An article."""

    code = Text(required=True)
    title = Text(required=True)
    language = Text(required=True)
    text = Text(required=True)


class ResolvedSchema(Schema):
    """A resolved request: nothing of who reported it, nor of what they wrote.

    hours: from coming in to closing.  times: how many of those compared were resolved the same way.
    """

    service_request_id = Text(required=True)
    service_code = Text(required=True)
    detailed_status = Text(required=True)
    resolution = Text(required=True)
    status_notes = Text(allow_none=True)
    requested_datetime = Moment(required=True)
    closed_datetime = Moment(required=True)
    hours = Number(required=True)
    distance_metres = Number(allow_none=True)
    times = Order(required=True)


class KnowledgeSchema(Schema):
    """The commonest resolution, how many of those compared had it, and the median time; null where nothing was resolved yet."""

    resolution = Text(allow_none=True)
    times = Order(required=True)
    median_hours = Number(allow_none=True)
    articles = Items("article", PinnedSchema)
    requests = Items("request", ResolvedSchema)


KNOWLEDGE = Representation(schema=KnowledgeSchema, singular="knowledge")
