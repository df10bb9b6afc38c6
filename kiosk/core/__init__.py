"""PURE: money, facts, orders, the deposit table, policies. No clock, no socket, no file; imports nothing of ours."""
