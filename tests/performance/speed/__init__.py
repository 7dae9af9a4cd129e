"""What ``make bench`` measures: editing, judging and start-up, against the stock libraries."""
