"""What the kiosk sees and feels: frames, features, machine readings, and the watcher that reports them."""
