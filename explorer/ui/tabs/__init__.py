"""One module a tab; the page finds them by reading this folder."""
