"""One module for each command; jobs meet only in files."""
