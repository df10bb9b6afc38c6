"""`make journal-crash`: the real journal on a disk that keeps, drops, reorders or tears what was not synced."""
