"""The only process with torch: it keeps bases loaded, trains, evaluates and generates."""
