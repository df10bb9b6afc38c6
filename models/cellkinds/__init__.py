"""The networks that tell protected data in tables: generated columns, training, export. Imports nothing of the product."""
