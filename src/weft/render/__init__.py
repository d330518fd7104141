"""What users see, made from facts that others derived: text, and how quantities are written."""
