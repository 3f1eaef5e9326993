"""The one training loop: step, fit, optimizer, schedule, checkpoint, sampler."""
