"""Who may open: a presented credential becomes a decision, a durable intent, a movement, a durable outcome."""
