"""The application as WSGI servers take it."""

from open311.app import create_app

app = create_app()
