"""How fast spikeglot is, next to what the machine can do and to a plain reference: ``python -m benchmarks``."""
