"""Floor 5: what a run says about itself: report.json, report.html, the model card, show and diff."""
