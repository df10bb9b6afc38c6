"""ESC/POS, the receipt printers' language: jobs by python-escpos, status by our own reader."""
