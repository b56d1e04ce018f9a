"""Every setting, route and command is in the documentation."""

import re
from collections.abc import Iterator
from dataclasses import fields

import click
from flask import Flask

from open311.api import BASE
from open311.cli import main
from open311.config import CHECKOUT, Settings


def documentation() -> str:
    """The text of every page under docs/."""
    return "\n".join(file.read_text(encoding="utf-8") for file in sorted((CHECKOUT / "docs").glob("*.md")))


def test_every_setting_is_documented():
    text = documentation()

    assert [each.metadata["name"] for each in fields(Settings) if each.metadata["name"] not in text] == []


def test_every_route_is_documented(session_app: Flask):
    # What a page calls an argument is its own affair.
    text = re.sub(r"\{\w+\}", "{}", documentation())

    missing = {
        str(rule)
        for rule in session_app.url_map.iter_rules()
        if not any(form in text for form in forms(str(rule)))
    }  # fmt: skip

    assert missing == set()


def test_every_command_and_option_is_documented():
    text = documentation()

    assert [words for words in commands(main, "open311") if words not in text] == []


def forms(rule: str) -> Iterator[str]:
    """How a page may write a route: with or without the base; the format as {}, {json,xml}, json, xml or not at all."""
    named = re.sub(r"<(?:[^:<>]+:)?(?!format>)\w+>", "{}", rule)
    for format in ("{}", "{json,xml}", "json", "xml"):
        whole = re.sub(r"<(?:[^:<>]+:)?format>", format, named)
        yield whole
        if whole.startswith(BASE):
            yield whole.removeprefix(BASE)
            # Here the page must say nothing more: the start of another route is not this one.
            yield whole.removeprefix(BASE).removesuffix(f".{format}") + "`"


def commands(command: click.Command, words: str) -> Iterator[str]:
    """The words of every command below, and every long option."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            each = command.get_command(context, name)
            assert each is not None
            yield from commands(each, f"{words} {name}")
        return
    yield words
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            yield from (option for option in parameter.opts if option.startswith("--"))
