"""Numbers about answers: every one an Estimate with its interval, unit and scorer."""
