"""`kioskctl`: the technician's and the integrator's view of the kiosk."""
