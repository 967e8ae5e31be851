"""Serve the page on this machine: the port is checked first, the address is printed."""

import argparse
import os
import socket
import sys
from collections.abc import Sequence

from explorer.catalogue.catalogue import load_catalogue
from explorer.catalogue.errors import ExplorerError
from explorer.ui import look, sessions
from explorer.ui.app import build_app
from explorer.ui.downloads import download_route

PORT = 7860
MAX_UPLOAD = "64mb"


def start(words: Sequence[str] | None = None) -> None:
    """Start the page and wait; a port that is taken ends with one sentence and exit code 2."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    asked = _options().parse_args(words)
    try:
        host, port = address(asked.host, asked.port)
    except ExplorerError as error:
        sys.stderr.write(f"app.py: {error}\n")
        sys.exit(2)
    catalogue = load_catalogue()
    app = build_app(catalogue)
    app.queue(default_concurrency_limit=8, max_size=256)
    app.launch(
        server_name=host,
        server_port=port,
        theme=look.theme(),
        css=look.STYLE,
        mcp_server=True,
        footer_links=["api", "settings"],
        max_file_size=MAX_UPLOAD,
        show_error=True,
        quiet=True,
        ssr_mode=False,
        prevent_thread_lock=True,
        state_session_capacity=sessions.MOST,
        app_kwargs={"routes": [download_route(catalogue)], "lifespan": sessions.forgetting},
    )
    sys.stdout.write(f"The explorer is open on http://{host}:{port}\n")
    sys.stdout.flush()
    app.block_thread()


def _options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(prog="app.py", description="Open the explorer's page.")
    options.add_argument(
        "--host",
        default=os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"),
        help="the address to listen on; 0.0.0.0 lets other machines in (GRADIO_SERVER_NAME or "
        "127.0.0.1 unless given)",
    )
    options.add_argument(
        "--port",
        default=os.environ.get("GRADIO_SERVER_PORT", str(PORT)),
        help=f"GRADIO_SERVER_PORT or {PORT} unless given",
    )
    return options


def address(host: str, port: str) -> tuple[str, int]:
    """The host and port to listen on, which are free now.

    Raises ExplorerError for what is no port, and where the port cannot be opened.
    """
    if not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65_535):
        raise ExplorerError(f"port = {port!r}: it takes a whole number from 1 to 65535.")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(port)))
        except OSError as error:
            raise ExplorerError(
                f"{host}:{port} cannot be opened ({error.strerror}). Stop the program that uses "
                "it, or choose another with --port or GRADIO_SERVER_PORT."
            ) from error
    return host, int(port)
