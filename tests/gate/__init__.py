"""The gate without and with HTTP: rules, dialects, answers, tickets, and whole visits."""
