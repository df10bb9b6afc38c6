"""`make kill-test`: the real controller process, killed at random instants of real deposits."""
