"""The service: tables, cases, HTTP, pages, commands."""
