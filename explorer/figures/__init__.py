"""Floor 3: charts and diagrams as pure functions of records and rows."""
