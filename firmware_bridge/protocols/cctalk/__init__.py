"""ccTalk, bill validator profile: packets, headers, events, money, one exchange at a time. No I/O, no clock.

Facts from Crane's "ccTalk Serial Communication Protocol, Generic Specification" v4.7, cited as P1 to P4.
"""
