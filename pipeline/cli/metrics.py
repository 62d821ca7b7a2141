"""`dawn metrics`."""

from typing import Annotated

import typer


def metrics(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """Every metric: what it is worth, what it needs, and whether it can be measured here now.

    Example: [bold]dawn metrics[/bold]
    """
    import json
    from dataclasses import asdict

    from eval.protocol.card import read_card
    from eval.results.available import available
    from pipeline.progress import console

    found = available(read_card("default")[0])
    if as_json:
        typer.echo(json.dumps([asdict(metric) for metric in found], indent=2))
        return
    rows = [("name", "title", "better", "status", "here", "needs")]
    for metric in found:
        needs = "; ".join(metric.needs) or "nothing more"
        note = f" ({metric.note})" if metric.note and metric.here else ""
        here = ("yes" if not metric.note else "as a proxy") if metric.here else "no"
        better = f"{metric.better} to real" if metric.better == "closer" else metric.better
        rows.append((metric.name, metric.title, better, metric.status, here, needs + note))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        console.print("  ".join([*cells, row[-1]]), markup=False)
    there = sum(metric.here for metric in found)
    console.print(
        f"{there} of {len(found)} can be measured here; docs/metrics.md defines them\n"
        "next: dawn weights fetch --for NAME, for what lacks weights; dawn evaluate --metrics NAME",
        markup=False,
    )
