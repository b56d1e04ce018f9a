"""The `open311` command: what operators do, a group per noun."""

import click

from open311.cli import boundary, city, key, migrate, request, rule, serve, user, worker


@click.group()
@click.version_option(package_name="dispatch311")
def main() -> None:
    """Dispatch311: run a city's Open311 service."""


for part in (
    boundary.boundary,
    city.city,
    key.key,
    request.request,
    rule.rule,
    user.user,
    worker.worker,
    migrate.migrate,
    serve.serve,
):
    main.add_command(part)
