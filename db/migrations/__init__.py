"""The database's history: each version a step, taken in order."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory


def configuration(database_url: str) -> Config:
    """Alembic's configuration for a database, `postgresql://…` or `postgresql+psycopg://…`."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    url = database_url.replace("postgresql://", "postgresql+psycopg://", 1)
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config


def upgrade(database_url: str) -> None:
    """Bring a database to the newest version: all the missing steps in one transaction, or none."""
    command.upgrade(configuration(database_url), "head")


def head() -> str:
    """The newest version."""
    newest = ScriptDirectory.from_config(configuration("")).get_current_head()
    assert newest is not None
    return newest
