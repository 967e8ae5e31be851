"""The views of the Benchmarks tab: charts, all figures, contradictions, uses and limits, terms."""
