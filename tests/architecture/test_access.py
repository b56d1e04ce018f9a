"""Every route states who may call it."""

from flask import Flask

from open311.api.access import PUBLIC, WITH_KEY
from open311.web.access import STAFF, WITH_FORM, WITH_LINK


def test_every_route_states_who_may_call_it(session_app: Flask):
    silent = [
        str(rule)
        for rule in session_app.url_map.iter_rules()
        if getattr(session_app.view_functions[rule.endpoint], "access", None)
        not in (PUBLIC, WITH_KEY, STAFF, WITH_FORM, WITH_LINK)
    ]

    assert silent == []


def test_what_writes_is_never_public(session_app: Flask):
    open_to_all = [
        str(rule)
        for rule in session_app.url_map.iter_rules()
        if (rule.methods or set()) - {"GET", "HEAD", "OPTIONS"}
        and getattr(session_app.view_functions[rule.endpoint], "access", None) == PUBLIC
    ]

    assert open_to_all == []
