"""A plain Flask application that answers the same bytes every time: what the lists are measured against."""

import os
from pathlib import Path

from flask import Flask, Response

app = Flask("static")
_BODY = Path(os.environ["BENCH_BODY"]).read_bytes()
_CONTENT_TYPE = os.environ["BENCH_CONTENT_TYPE"]


@app.get("/static")
def show_static() -> Response:
    """GET /static."""
    return Response(_BODY, content_type=_CONTENT_TYPE)
