"""Published protocols on other people's data: our detector beside peers, in one run, by the same rules.

`tables` is the semi-supervised protocol of ADBench tables, `transactions` the Fraud Detection Handbook's weeks, `video`
the UCSD walkway. Peers come from PyOD, scikit-learn and MiniSom (extra `bench`); nothing here is needed by the kiosk.
"""
