"""Where a method was published, and its BibTeX entry."""

import datetime as dt
import re

from pydantic import Field

from explorer.catalogue.record import Record, Url


class Paper(Record):
    """Where a method was published. Source entries name it as `paper: place`."""

    title: str
    authors: tuple[str, ...] = Field(min_length=1)
    year: int = Field(ge=2010, le=2100)
    venue: str
    url: Url
    accessed: dt.date
    arxiv: str | None = Field(default=None, pattern=r"^\d{4}\.\d{4,5}$")

    @property
    def bibtex(self) -> str:
        """The BibTeX entry, keyed by first author, year and the title's first word."""
        surname = self.authors[0].split()[-1]
        word = next(w for w in re.split(r"\W+", self.title) if len(w) > 2)
        lines = {
            "title": f"{{{self.title}}}",
            "author": " and ".join(self.authors),
            "year": str(self.year),
            "howpublished": self.venue,
            "url": str(self.url),
        }
        if self.arxiv:
            lines |= {"eprint": self.arxiv, "archivePrefix": "arXiv"}
        body = ",\n".join(f"  {key} = {{{value}}}" for key, value in lines.items())
        return f"@misc{{{surname.lower()}{self.year}{word.lower()},\n{body}\n}}"
