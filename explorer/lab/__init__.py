"""Floor 3: jobs, runs and the engine. Only explorer.lab.worker, a process of its own, has torch."""
