"""The protected-data benchmark: tables that training never saw, the classifier's verdicts, its peers."""
