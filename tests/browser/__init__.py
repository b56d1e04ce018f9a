"""The public pages in a real browser: headless chromium, driven by Playwright."""
