"""Requests, the receipts of a POST, and tokens.  Source: GeoReport v2, GET Service Requests, POST Service Request, tokens."""

from marshmallow import Schema

from schemas.representation import Items, Moment, Number, Order, Part, Representation, Text


class RequestSchema(Schema):
    """A service request, as public reads show it."""

    service_request_id = Text(required=True)
    status = Text(required=True)
    status_notes = Text(allow_none=True)
    service_name = Text(required=True)
    service_code = Text(required=True)
    description = Text(allow_none=True)
    agency_responsible = Text(allow_none=True)
    service_notice = Text(allow_none=True)
    requested_datetime = Moment(required=True)
    updated_datetime = Moment(required=True)
    expected_datetime = Moment(allow_none=True)
    address = Text(allow_none=True)
    address_id = Text(allow_none=True)
    zipcode = Text(allow_none=True)
    lat = Number(allow_none=True)
    long = Number(allow_none=True)
    media_url = Text(allow_none=True)


class PhaseSchema(Schema):
    """A phase of a request; expected_datetime while it is open and has a target."""

    code = Text(required=True)
    name = Text(required=True)
    status = Text(required=True)
    agency_responsible = Text(required=True)
    opened_datetime = Moment(allow_none=True)
    expected_datetime = Moment(allow_none=True)
    closed_datetime = Moment(allow_none=True)


class FileSchema(Schema):
    """A file of a request; thumbnail_url of a photo that is kept here."""

    media_url = Text(required=True)
    thumbnail_url = Text(allow_none=True)
    content_type = Text(allow_none=True)


class AnswerSchema(Schema):
    """The answer to a question of the form that is no free text: its code and words, the keys chosen and their names."""

    code = Text(required=True)
    label = Text(required=True)
    value = Text(allow_none=True)
    name = Text(allow_none=True)


class ExtendedSchema(Schema):
    """What we know beyond the specification.  Spec 5.1, 5.2."""

    channel = Text(required=True)
    detailed_status = Text(required=True)
    status_name = Text(required=True)
    unit = Text(allow_none=True)
    priority = Text(required=True)
    times_reopened = Order(required=True)
    phases = Items("phase", PhaseSchema)
    media_urls = Items("media_url")
    thumbnail_url = Text(allow_none=True)
    files = Items("file", FileSchema)
    parent_service_request_id = Text(allow_none=True)
    reported_by = Order(required=True)
    duplicates = Items("service_request_id")
    districts = Items("district")
    attributes = Items("attribute", AnswerSchema)


class FollowOnSchema(Schema):
    """The part of the work that a note is about."""

    service_request_id = Text(required=True)
    service_name = Text(required=True)
    agency_responsible = Text(allow_none=True)


class NoteSchema(Schema):
    """Something that happened to a request, as everybody may know it."""

    datetime = Moment(required=True)
    type = Text(required=True)
    summary = Text(required=True)
    description = Text(allow_none=True)
    extended_attributes = Part(FollowOnSchema)


class ExtendedRequestSchema(RequestSchema):
    """A service request with what extensions=true adds."""

    extended_attributes = Part(ExtendedSchema)
    notes = Items("note", NoteSchema)


class SimilarSchema(Schema):
    """An earlier request that is likely of the same thing.  reported_by: how many requests are of it."""

    service_request_id = Text(required=True)
    service_name = Text(required=True)
    status = Text(required=True)
    requested_datetime = Moment(required=True)
    address = Text(allow_none=True)
    lat = Number(allow_none=True)
    long = Number(allow_none=True)
    distance_metres = Number(allow_none=True)
    reported_by = Order(required=True)


class RealtimeReceiptSchema(Schema):
    """The answer to a POST of a realtime service: never a token beside it, nor a null one."""

    service_request_id = Text(required=True)
    service_notice = Text(allow_none=True)
    account_id = Text(allow_none=True)


class SuggestingReceiptSchema(RealtimeReceiptSchema):
    """The same with what is likely the same thing, for who asked for it with similar=true."""

    similar_requests = Items("similar_request", SimilarSchema)


class BatchReceiptSchema(Schema):
    """The answer to a POST of a batch service: the number comes later, through the token."""

    token = Text(required=True)
    service_notice = Text(allow_none=True)
    account_id = Text(allow_none=True)


class BlackboxReceiptSchema(Schema):
    """The answer to a POST of a blackbox service: neither number nor token."""

    service_notice = Text(allow_none=True)
    account_id = Text(allow_none=True)


class TokenSchema(Schema):
    """What became of a token; clients take a null service_request_id for an id, so a pending one has no such key."""

    service_request_id = Text(metadata={"omit_null": True})
    token = Text(required=True)


REQUESTS = Representation(schema=RequestSchema, plural="service_requests", singular="request")
EXTENDED_REQUESTS = Representation(schema=ExtendedRequestSchema, plural="service_requests", singular="request")
REALTIME_RECEIPT = Representation(schema=RealtimeReceiptSchema, plural="service_requests", singular="request")
SUGGESTING_RECEIPT = Representation(schema=SuggestingReceiptSchema, plural="service_requests", singular="request")
BATCH_RECEIPT = Representation(schema=BatchReceiptSchema, plural="service_requests", singular="request")
BLACKBOX_RECEIPT = Representation(schema=BlackboxReceiptSchema, plural="service_requests", singular="request")
SIMILAR = Representation(schema=SimilarSchema, singular="similar_request", plural="similar_requests")
TOKENS = Representation(schema=TokenSchema, plural="service_requests", singular="request")
