"""What people read: translations, dates and quotation marks in their language."""
