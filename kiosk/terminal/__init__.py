"""The touch screen: every screen is drawn here from the controller's `Status`; the browser only shows it.

`screens` chooses the screen, `words` has the languages, `terminal` takes touches, `web` serves loopback.
"""
