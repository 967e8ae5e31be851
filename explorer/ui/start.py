"""Serve the page on this machine: the port is checked first, the address is printed."""

import os
import socket
import sys

from explorer.catalogue.catalogue import load_catalogue
from explorer.catalogue.errors import ExplorerError
from explorer.ui import look
from explorer.ui.app import build_app
from explorer.ui.downloads import download_route

PORT = 7860
MAX_UPLOAD = "64mb"


def start() -> None:
    """Start the page and wait; a port that is taken ends with one sentence and exit code 2."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        host, port = _address()
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
        app_kwargs={"routes": [download_route(catalogue)]},
    )
    sys.stdout.write(f"The explorer is open on http://{host}:{port}\n")
    sys.stdout.flush()
    app.block_thread()


def _address() -> tuple[str, int]:
    host = os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1")
    text = os.environ.get("GRADIO_SERVER_PORT", str(PORT))
    if not text.isdigit() or not 1 <= int(text) <= 65_535:
        raise ExplorerError(f"GRADIO_SERVER_PORT = {text!r} is not a port; 1 to 65535 are.")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(text)))
        except OSError as error:
            raise ExplorerError(
                f"{host}:{text} cannot be opened ({error.strerror}). Stop the program that uses "
                "it, or set GRADIO_SERVER_PORT to another port."
            ) from error
    return host, int(text)
