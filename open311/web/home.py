"""The page at the root: what is served here, and how to ask it."""

from flask import Flask, render_template

from open311.api.access import public, public_url
from open311.jurisdictions import cities


def add_routes(app: Flask) -> None:
    """The routes of this file."""
    app.get("/")(show_home)


@public
def show_home() -> str:
    """GET /: the cities served and where their data is."""
    return render_template("home.html", cities=cities().all(), base=f"{public_url()}/open311/v2")
