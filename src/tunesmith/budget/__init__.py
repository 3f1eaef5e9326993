"""Memory, arithmetic, time and money that a way of tuning needs, before it is tried."""
