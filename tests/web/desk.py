"""A browser at the desk: it keeps cookies, reads forms, and sends them."""

from typing import Any

from flask.testing import FlaskClient
from lxml import html
from werkzeug.test import TestResponse


class Browser:
    """Fills in the forms that it is shown."""

    def __init__(self, client: FlaskClient, base_url: str = "http://localhost") -> None:
        self.client, self.base_url = client, base_url

    def get(self, path: str) -> TestResponse:
        """A page; redirects are not followed."""
        return self.client.get(path, base_url=self.base_url)

    def post(self, path: str, **fields: str) -> TestResponse:
        """A form as sent, whoever made it."""
        return self.client.post(path, data=fields, base_url=self.base_url)

    def submit(self, page: TestResponse, **fields: str) -> TestResponse:
        """The one form of a page, filled in."""
        (form,) = parsed(page).forms
        assert form.method == "POST"
        return self.post(form.action, **{**dict(form.form_values()), **fields})

    def sign_in(self, email: str, password: str, path: str = "/desk/login") -> TestResponse:
        """What the login form answers."""
        return self.submit(self.get(path), email=email, password=password)

    @property
    def cookie(self) -> str | None:
        """The desk's cookie, when it has one."""
        found = self.client.get_cookie("open311_desk", path="/desk")
        return None if found is None else found.value


def parsed(page: TestResponse) -> Any:
    """A page as a tree."""
    return html.document_fromstring(page.get_data(), parser=html.HTMLParser(encoding="utf-8"))


def text(page: TestResponse) -> str:
    """The words of a page."""
    return " ".join(parsed(page).find("body").text_content().split())
