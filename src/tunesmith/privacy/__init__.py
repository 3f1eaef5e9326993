"""Private data in text: found, with offsets in the original, and masked by constants."""
