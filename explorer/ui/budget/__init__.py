"""The parts of the Budget tab: its form, its answer and its views."""
