"""Public data sets as they lie on disk when unpacked: read into rows, attributes and failures."""
