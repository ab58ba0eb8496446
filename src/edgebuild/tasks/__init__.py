"""What a network is asked, and how its answers are judged: classification, multi-label, regression, anomalies."""
