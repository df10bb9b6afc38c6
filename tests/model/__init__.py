"""Model checking of the deposit table: every order of events, losses and crashes within small bounds."""
