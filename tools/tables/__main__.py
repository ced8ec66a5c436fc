"""`python -m tools.tables`."""

from tools.tables.refresh import main

if __name__ == "__main__":
    raise SystemExit(main())
