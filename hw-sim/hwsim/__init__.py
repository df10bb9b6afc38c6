"""The simulated world of the deposit kiosk and every device in it; shares nothing with the product."""
