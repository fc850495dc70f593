"""The neutral model: machines, appliances, findings, errors."""
