"""`explorer runs`: what was trained here, the newest first; notes, exports, the same again."""

import argparse
from pathlib import Path
from typing import Any

from explorer.catalogue.catalogue import load_catalogue
from explorer.catalogue.errors import ExplorerError
from explorer.cli._follow import follow
from explorer.lab.bundle import KINDS, export_name, write_export
from explorer.lab.engine import Engine
from explorer.lab.history import again, find_runs, full_record, summary
from explorer.lab.merge import merge_run
from explorer.lab.notes import read_notes, write_notes
from explorer.lab.runs import Run, delete_run, find_run

HELP = "list, find, tell, note, export, repeat and delete training runs"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("run", nargs="?", metavar="RUN", help="a run's id, to tell all of it")
    parser.add_argument(
        "--find", default="", metavar="WORDS", help='only runs that fit, like "lora tag:first"'
    )
    parser.add_argument("--stop", action="store_true", help="ask the run to stop")
    parser.add_argument("--delete", action="store_true", help="remove the run from disk")
    parser.add_argument("--note", metavar="TEXT", help="write a note on the run")
    parser.add_argument("--tags", metavar="A,B", help="replace the run's tags")
    parser.add_argument("--merge", action="store_true", help="merge the adapter into its base")
    parser.add_argument("--export", metavar="|".join(KINDS), help="write a file of this kind")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where --export writes")
    parser.add_argument("--again", action="store_true", help="train once more with the same recipe")


def run(args: argparse.Namespace) -> list[dict[str, Any]] | dict[str, Any]:
    """Summaries of all runs that fit; or one run in full, after what was asked of it."""
    if not args.run:
        _demand_no_action(args)
        return list(find_runs(args.find))
    found = find_run(args.run)
    if args.stop and not found.state().over:
        found.ask_to_stop()
    if args.note is not None or args.tags is not None:
        before = read_notes(found)
        tags = before.tags if args.tags is None else args.tags.split(",")
        write_notes(found, before.note if args.note is None else args.note, tags)
    if args.merge:
        return {"run": found.id, "folder": str(found.folder / "merged"), **merge_run(found)}
    if args.export:
        return _export(found, args.export, args.out)
    if args.again:
        return _again(found)
    if args.delete:
        delete_run(args.run)
        return {"run": args.run, "deleted": True}
    return full_record(found.id)


def _demand_no_action(args: argparse.Namespace) -> None:
    for name in ("stop", "delete", "note", "tags", "merge", "export", "again"):
        if getattr(args, name):
            raise ExplorerError(f"--{name} needs the id of a run; `explorer runs` lists them.")


def _export(found: Run, kind: str, out: Path | None) -> dict[str, Any]:
    """The file is there whole or not at all."""
    target = out or Path(export_name(found, kind))
    hidden = target.with_name(f".{target.name}-new")
    try:
        with hidden.open("wb") as file:
            write_export(found, kind, load_catalogue(), file)
        hidden.rename(target)
    except OSError as error:
        raise ExplorerError(f"{target} cannot be written: {error.strerror}.") from error
    finally:
        hidden.unlink(missing_ok=True)
    return {"run": found.id, "file": str(target), "bytes": target.stat().st_size}


def _again(found: Run) -> dict[str, Any]:
    with Engine() as engine:
        name = again(found, engine)
        follow(engine, name)
    return summary(find_run(name))


def render(result: list[dict[str, Any]] | dict[str, Any]) -> str:
    """A table of runs, or one run's values a line."""
    if isinstance(result, dict):
        return "\n".join(f"{name:<18} {value}" for name, value in result.items())
    if not result:
        return "No such runs yet: `python -m explorer train --task … --method …` makes one."
    rows = [
        f"{r['run']}  {r['state']:<8} {r['method']:<18} {r['task']:<20} {scores(r)}"
        + "".join(f"  #{tag}" for tag in r["tags"])
        for r in result
    ]
    return "\n".join(rows)


def scores(record: dict[str, Any]) -> str:
    """The metric before and after, or why there is none."""
    if record["metric_after"] is None:
        return record["reason"]
    return f"{record['metric']} {record['metric_base']:.2f} → {record['metric_after']:.2f}"
