"""Floor 4: the command line. One module a command, imported only when it is asked for."""

import argparse
import importlib
import json
import pkgutil
import sys
from collections.abc import Sequence
from types import ModuleType

from explorer.catalogue.errors import ExplorerError, unknown

USAGE_ERROR = 2


def commands() -> tuple[str, ...]:
    """The commands there are, by the modules beside this one."""
    names = (found.name for found in pkgutil.iter_modules(__path__))
    return tuple(sorted(n.replace("_", "-") for n in names if not n.startswith("_")))


def run(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code (0, or 2 with a sentence on stderr)."""
    argv = list(sys.argv[1:] if argv is None else argv)
    if not argv or argv[0] in {"-h", "--help"}:
        sys.stdout.write(_overview())
        return 0 if argv else USAGE_ERROR
    try:
        command = _command(argv[0])
        arguments = _parser(argv[0], command).parse_args(argv[1:])
        result = command.run(arguments)
    except ExplorerError as error:
        sys.stderr.write(f"explorer {argv[0]}: {error}\n")
        return USAGE_ERROR
    except BrokenPipeError:
        return 0  # the reader (head, less) has seen enough
    except KeyboardInterrupt:
        return 130  # what shells report for an interrupted command
    if result is not None:
        text = json.dumps(result, indent=2) if arguments.json else command.render(result)
        sys.stdout.write(text.rstrip("\n") + "\n")
    return 0


def _command(name: str) -> ModuleType:
    if name not in commands():
        raise unknown("command", name, commands())
    return importlib.import_module(f"explorer.cli.{name.replace('-', '_')}")


def _parser(name: str, command: ModuleType) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"explorer {name}", description=command.HELP)
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    command.add_arguments(parser)
    return parser


def _overview() -> str:
    lines = ["usage: python -m explorer COMMAND [options]", ""]
    for name in commands():
        lines.append(f"  {name:<10} {_command(name).HELP}")
    return "\n".join([*lines, "", "COMMAND --help tells its options.", ""])
