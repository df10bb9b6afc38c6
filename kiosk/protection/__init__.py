"""What may leave the kiosk: the gate on everything that goes out."""
