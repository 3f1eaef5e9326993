"""Raw rows become rows fit to train on: collected, mended, filtered, masked, split, accounted for."""
