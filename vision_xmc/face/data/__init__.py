"""Pictures of people, and the pairs and templates that verify a model."""
