"""The kiosk's side of the cloud storage: an outbox window, an MQTT 5 session, and the loop that joins them.

A PUBACK proves nothing. A record leaves the outbox only on the bank's signed acknowledgement, and the
controller verifies that, not this process: it holds no key but its TLS client certificate's.
"""
