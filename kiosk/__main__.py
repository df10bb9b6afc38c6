"""`kiosk`: start the processes."""
