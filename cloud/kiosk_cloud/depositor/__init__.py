"""The depositor's page: what the bank holds of one receipt, its proof with witnesses, and a contact that is told."""
