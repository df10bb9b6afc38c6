"""What may leave the kiosk: kinds, catalogue, the judge of cells and tables, and the gate."""
