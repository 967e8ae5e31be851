"""An adapter from the Hugging Face hub: its two files and nothing else of the repository."""

import re
import tempfile
from pathlib import Path

from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import (
    HfHubHTTPError,
    HTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
)

from explorer.catalogue.catalogue import Catalogue
from explorer.lab.own_adapters.store import OwnAdapter, keep_adapter
from explorer.lab.own_adapters.unpack import (
    CONFIG,
    MAX_BYTES,
    WEIGHTS,
    AdapterUploadError,
    missing,
    refuse_pickles,
    too_big,
)

REPOSITORY = re.compile(r"[\w-][\w.-]{0,95}/[\w-][\w.-]{0,95}")
PATIENCE = 10.0  # seconds for the hub to answer


def fetch_adapter(repository: str, catalogue: Catalogue, base: str = "") -> OwnAdapter:
    """Fetch, check and keep an adapter of the hub, as `owner/name`.

    Nobody's token is used, so gated and private ones are not found. Raises AdapterUploadError with
    the reason, being offline among them.
    """
    name = repository.strip().removeprefix("https://huggingface.co/").rstrip("/")
    if not REPOSITORY.fullmatch(name):
        raise AdapterUploadError(f"{repository!r:.80} is no hub id; it looks like owner/name.")
    try:
        _look(name)
        with tempfile.TemporaryDirectory() as folder:
            paths = [
                Path(hf_hub_download(name, file, local_dir=folder, token=False))
                for file in (CONFIG, WEIGHTS)
            ]
            return keep_adapter(paths, catalogue, name, base)
    except HfHubHTTPError as error:
        raise AdapterUploadError(
            f"The hub has no open adapter {name!r}: {_first(error)}"
        ) from error
    except (OfflineModeIsEnabled, LocalEntryNotFoundError, HTTPError) as error:
        raise AdapterUploadError(
            f"The hub cannot be reached from here ({_first(error)}). Bring the adapter as a zip."
        ) from error


def _look(name: str) -> None:
    """Refuse before anything is fetched: pickles alone, a missing file, one that is too big."""
    info = HfApi().model_info(name, files_metadata=True, timeout=PATIENCE, token=False)
    sizes = {file.rfilename: file.size or 0 for file in info.siblings or ()}
    if WEIGHTS not in sizes:
        refuse_pickles(list(sizes))
    for needed in (CONFIG, WEIGHTS):
        if needed not in sizes:
            raise AdapterUploadError(missing(needed, list(sizes)))
        if sizes[needed] > MAX_BYTES:
            raise AdapterUploadError(too_big(needed, sizes[needed]))


def _first(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{(lines or [type(error).__name__])[0]:.160}"
