"""The parts of the Lab tab."""
