"""`kiosk-protect`: tables in; what is to be protected in them, tagged and reported, out."""
