"""Tables out of files: csv, xls, xlsx, jsonl, sqlite, parquet, each as a stream of bounded batches of columns."""
