"""Objectives as functions ``batch -> (summed loss, number of loss tokens)``."""
