"""What the bank says to its kiosks: commands with a durable queue, terms, and signed complaints about their logs."""
