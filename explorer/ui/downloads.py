"""Files of a run, made while they are fetched: nothing of a run lies anywhere but in its folder."""

import tempfile
from collections.abc import Iterator
from typing import IO

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from explorer.catalogue.catalogue import Catalogue
from explorer.catalogue.errors import ExplorerError
from explorer.lab.bundle import export_name, write_export
from explorer.lab.runs import find_run

BLOCK = 1 << 20
TYPES = {"zip": "application/zip", "csv": "text/csv; charset=utf-8"}


def download_url(run: str, kind: str) -> str:
    """Where a file of the run is fetched, beside the page's own address."""
    return f"runs/{run}/{kind}"


def download_route(catalogue: Catalogue) -> Route:
    """`GET /runs/RUN/KIND`: one of explorer.lab.bundle.KINDS."""

    def download(request: Request) -> Response:
        kind = request.path_params["kind"]
        file = tempfile.TemporaryFile()  # noqa: SIM115  # closed when the last byte is sent
        try:
            run = find_run(request.path_params["run"])
            name = export_name(run, kind)
            write_export(run, kind, catalogue, file)
        except ExplorerError as error:
            file.close()
            return PlainTextResponse(str(error), status_code=404)
        size = file.tell()
        file.seek(0)
        headers = {
            "content-disposition": f'attachment; filename="{name}"',
            "content-length": str(size),
        }
        return StreamingResponse(
            _blocks(file),
            media_type=TYPES[kind.rpartition(".")[2]],
            headers=headers,
            background=BackgroundTask(file.close),
        )

    return Route("/runs/{run}/{kind}", download, methods=["GET"])


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    while block := file.read(BLOCK):
        yield block
