"""Records as HTML: every value with its source within reach, everything from data escaped."""
