"""The candidate query finds boundaries by their index."""

from flask import Flask
from sqlalchemy import BigInteger, literal

from db import db
from geo.point import Point
from routing.decision import candidates
from tests.factories import Factory
from tests.town import Town


def test_the_candidate_query_on_boston_looks_up_boundaries_in_the_gist_index(app: Flask, make: Factory):
    service = make.service("street-light-outages")
    town = Town()
    town.services = {"lamp": service}
    query = candidates(
        town.cases({0: ("lamp", Point(long=-71.0944, lat=42.3474))}),
        literal(service.jurisdiction_id, BigInteger),
    )

    # Nothing is switched off: with the two demo cities loaded the planner chooses the index by itself.
    compiled = query.compile(db.session.connection())
    plan = "\n".join(
        db.session.connection()
        .exec_driver_sql(f"explain {compiled.string}", compiled.params)
        .scalars()
    )  # fmt: skip

    assert "Index Scan using ix_boundary_area on boundary" in plan
    assert "Seq Scan on boundary" not in plan
