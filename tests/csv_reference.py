"""What a table's rows are in CSV, by Python's own writer, to compare with."""


def in_csv(rows):
    """Rows of to_rows with their truth values as CSV on the Web has them."""
    for row in rows:
        yield {name: str(value).lower() if isinstance(value, bool) else value for name, value in row.items()}
