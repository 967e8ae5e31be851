"""How much of a visitor's data is read. Beyond these a sentence says so."""

from explorer.catalogue.errors import ExplorerError

MAX_BYTES = 32 * 2**20  # of the file as uploaded
MAX_UNPACKED = 100 * 2**20  # of a Parquet file's content, as text
MAX_MEMORY = 2**30  # address space of the process that unpacks it
MAX_SECONDS = 60  # of computing, to unpack it
MAX_ROWS = 100_000
MAX_COLUMNS = 1_000  # of a table
MIN_ROWS = 8  # fewer leave nothing to test on
MAX_LINE = 1_000_000  # characters of one line of JSONL, and of a Parquet file's row
MAX_VALUES = 2_000_000  # of a .json file: many small ones take far more memory than their text
MAX_CHARACTERS = 20_000  # of a prompt or an answer
TOLD_PROBLEMS = 20  # faulty lines that are named; the rest are counted
ENDINGS = (".jsonl", ".json", ".csv", ".tsv", ".parquet", ".txt")


class UploadError(ExplorerError):
    """Data that cannot be trained on; the sentence names line, key and what is allowed."""
