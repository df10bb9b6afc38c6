"""What may leave the kiosk: the gate on log lines, telemetry and captions. First form: check digits and patterns."""
