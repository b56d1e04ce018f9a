"""What is told of all requests together: open data, changes, districts, scorecards."""
