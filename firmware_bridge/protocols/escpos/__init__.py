"""ESC/POS, the receipt printers' language: jobs by python-escpos, status by our own reader.

python-escpos parses a database of every printer it knows when it is imported: four fifths of its half a second. What
this driver uses is one profile, in a file beside this one, which the library is told of before anybody imports it.
"""

import os
from pathlib import Path

os.environ.setdefault("ESCPOS_CAPABILITIES_FILE", str(Path(__file__).with_name("capabilities.json")))
