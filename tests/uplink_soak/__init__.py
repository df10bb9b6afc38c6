"""`make uplink-soak`: many records over a bad network to a bank whose broker dies, and each arrives exactly once."""
