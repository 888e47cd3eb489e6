"""A Prometheus exporter for Amazon Connect."""

__version__ = "0.1.0"
