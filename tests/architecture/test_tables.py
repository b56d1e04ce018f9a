"""Every row of a city is found under its city, and the migrations make what the models say."""

import re

import alembic.command
import pytest
from sqlalchemy import Table

import open311.models
import routing.models  # noqa: F401  (declares its tables)
from db import Base
from db.migrations import configuration

# A key or a session is found by its hash, an account by its address, before the city is known; a jurisdiction is the city.
WITHOUT_CITY = {"jurisdiction", "api_key", "api_key_grant", "account", "account_grant", "account_session", "staff_change"}

TABLES = [pytest.param(table, id=name) for name, table in sorted(Base.metadata.tables.items()) if name not in WITHOUT_CITY]


def test_the_migrations_make_the_tables_that_the_models_declare(database_url: str):
    # Raises with the differences when there are any.
    alembic.command.check(configuration(database_url))


@pytest.mark.parametrize("table", TABLES)
def test_a_primary_key_leads_with_the_jurisdiction(table: Table):
    assert next(iter(table.primary_key.columns)).name == "jurisdiction_id"


@pytest.mark.parametrize("table", TABLES)
def test_a_unique_constraint_leads_with_the_jurisdiction(table: Table):
    unique = [
        [column.name for column in each.columns]
        for each in [*table.constraints, *table.indexes]
        if each.__visit_name__ == "unique_constraint" or getattr(each, "unique", False)
    ]

    assert [columns for columns in unique if columns[0] != "jurisdiction_id"] == []


@pytest.mark.parametrize("table", TABLES)
def test_a_foreign_key_to_a_row_of_a_city_holds_the_city(table: Table):
    loose = [
        str(key.name)
        for key in table.foreign_key_constraints
        if key.referred_table.name not in WITHOUT_CITY and "jurisdiction_id" not in key.column_keys
    ]

    assert loose == []


def test_every_table_is_declared_by_the_models_that_are_exported():
    declared = {mapper.class_.__name__ for mapper in Base.registry.mappers if mapper.class_.__module__.startswith("open311")}

    assert declared == set(open311.models.__all__)
    assert all(re.fullmatch(r"[a-z_]+", name) for name in Base.metadata.tables)
