"""Tests: /usr/bin/python3 -m unittest, in the folder above."""

import sys

sys.dont_write_bytecode = True
