"""Somebody who reports a problem in a browser without JavaScript."""

from io import BytesIO
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.web.desk import parsed


class Walker:
    """Fills in the form of the page before them, and goes on.  page: that page."""

    def __init__(self, client: FlaskClient, service: str, *, city: str = "") -> None:
        self.client = client
        query = {"service": service, **({"jurisdiction_id": city} if city else {})}
        self.page: TestResponse = client.get("/", query_string=query)
        assert self.page.status_code == 200

    @property
    def form(self) -> Any:
        """The form of the step."""
        (form,) = parsed(self.page).xpath("//form[@id='step']")
        return form

    @property
    def headline(self) -> str:
        """The question of the page."""
        return str(parsed(self.page).findtext(".//h1"))

    def filled(self, **fields: Any) -> dict[str, Any]:
        """What the form would send: what stands there, with these on top; several values as a list."""
        sent: dict[str, Any] = {}
        for name, value in self.form.form_values():
            sent.setdefault(name, []).append(value)
        return {**sent, **fields}

    def go(self, how: str = "next", *, photos: tuple[tuple[bytes, str], ...] = (), **fields: Any) -> TestResponse:
        """Press a button."""
        sent = self.filled(go=how, **fields)
        sent.pop("files", None)
        if photos:
            sent["files"] = [(BytesIO(content), name) for content, name in photos]
        self.page = self.client.post(self.form.get("action"), data=sent, content_type="multipart/form-data")
        return self.page

    def problems(self) -> list[str]:
        """Where the summary of what is wrong leads to."""
        return [str(link) for link in parsed(self.page).xpath("//*[@role='alert']//a/@href")]

    def value(self, name: str) -> list[str]:
        """What stands in the fields of this name, hidden or not."""
        return [str(value) for each, value in self.form.form_values() if each == name]
