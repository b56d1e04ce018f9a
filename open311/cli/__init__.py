"""The `open311` command: what operators do, a group per noun."""

from importlib import import_module

import click


class _Group(click.Group):
    """Commands that are imported when they are asked for: each needs a part of the service alone."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, as they are shown."""
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name, which stands in the module of this name."""
        if cmd_name not in _COMMANDS:
            return None
        command = getattr(import_module(f"open311.cli.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)
        return command


_COMMANDS = (
    "boundary",
    "casework",
    "city",
    "export",
    "follower",
    "key",
    "message",
    "migrate",
    "person",
    "query",
    "request",
    "rule",
    "scorecard",
    "serve",
    "user",
    "webhook",
    "worker",
)


@click.group(cls=_Group)
@click.version_option(package_name="dispatch311")
def main() -> None:
    """Dispatch311: run a city's Open311 service."""
