"""`kiosk-verify`: what a depositor, a court or an auditor checks a receipt with, offline, against a policy file."""
