"""What a session starts from in closed form: factor analysis, then Poisson regressions with a learned prior."""
