"""Rows of a shop as files of CSV or NDJSON, one text for each row (decisions 60, 61)."""
