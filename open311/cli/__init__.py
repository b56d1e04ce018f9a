"""The `open311` command: what operators do, a group per noun."""

from importlib import import_module

import click

# A command stands in the module of its name, which is imported when it is asked for; here is what its own help begins
# with, so that the list of all of them imports none.
_COMMANDS = {
    "boundary": "Maps of districts, each layer in versions.",
    "casework": "How departments work: statuses, closing reasons, texts, targets, plans, ladders, articles.",
    "city": "Cities: their services, departments, maps and rules.",
    "export": "Open data: what the public may know of requests, as files.",
    "follower": "Who is told of requests that are not theirs: council offices of their district, neighbours of their street.",
    "key": "API keys: what apps and portals post with.",
    "message": "What people are told by e-mail, and other systems by webhooks, and what could not be sent.",
    "migrate": "Bring the database to the version that this program needs, after it was restored from a dump as well.",
    "person": "What is kept of a person.",
    "query": "Queries that everybody may read as a list or feed by a short name.",
    "request": "Requests.",
    "rule": "Routing rules.",
    "scorecard": "Figures by district, department, service, channel and period.",
    "serve": "Run the whole service until Ctrl-C: database, web server and worker.",
    "user": "Accounts of staff, and what each may do.",
    "webhook": "Other systems that are told of requests.",
    "worker": "Do the work that is done after the answer, until stopped (SIGINT or SIGTERM).",
}


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

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of the commands, which is written without them."""
        shown: dict[str, click.Command] = {name: click.Command(name, help=text) for name, text in _COMMANDS.items()}
        click.Group(commands=shown).format_commands(ctx, formatter)


@click.group(cls=_Group)
@click.version_option(package_name="dispatch311")
def main() -> None:
    """Dispatch311: run a city's Open311 service."""
