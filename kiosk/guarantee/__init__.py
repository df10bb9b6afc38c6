"""Records that nobody can deny or alter: signing, sealing, the Merkle log, and their verification. See README.md."""
