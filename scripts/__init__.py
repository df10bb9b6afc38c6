"""What make runs: the demo and its stage. Not part of the product."""
