"""What all studies share: what a run is, doing each run once on the workers at hand, tables, and the page."""
