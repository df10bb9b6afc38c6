"""The page and the queue of `kiosk-protect`: uploads held encrypted, judged one by one, removed when they are done."""
