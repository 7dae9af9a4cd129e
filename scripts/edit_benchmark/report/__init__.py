"""The report: tables for papers and spreadsheets, plots, and a page with every image."""
