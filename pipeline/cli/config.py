"""`dawn config`: what can be set, in forms for people and for editors."""

from pathlib import Path
from typing import Annotated

import typer

from manifests.location import local_path

app = typer.Typer(help="Templates, JSON Schemas and checks of settings.", no_args_is_help=True)

Command = Annotated[
    str,
    typer.Argument(
        metavar="COMMAND", help="ingest, train.lfg, train.pbnet, train.a2v, evaluate or regress."
    ),
]
Preset = Annotated[str, typer.Option(help="Of train: tiny, small, 128 or 256.")]


@app.command()
def template(command: Command, preset: Preset = "tiny") -> None:
    """Print a commented YAML file with every setting at its default.

    Example: [bold]dawn config template ingest > settings.yaml[/bold]
    """
    from pipeline.settings import template_of

    typer.echo(template_of(command, preset), nl=False)


@app.command()
def schema(command: Command) -> None:
    """Print a JSON Schema, by which editors complete and check a YAML file.

    Example: [bold]dawn config schema ingest > ingest.schema.json[/bold]
    """
    import json

    from pipeline.settings import schema_of

    typer.echo(json.dumps(schema_of(command), indent=2))


@app.command()
def validate(
    command: Command,
    file: Annotated[Path, typer.Argument(metavar="YAML", parser=local_path, help="The settings.")],
) -> None:
    """Check a file of settings; exits with 2 and one line when it would be refused.

    Example: [bold]dawn config validate ingest settings.yaml[/bold]
    """
    from pipeline.settings import validate_file

    validate_file(command, file)
    typer.echo(f"{file}: valid")
