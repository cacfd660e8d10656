"""Wearables: whose they are, where they were, and what stands against them."""
