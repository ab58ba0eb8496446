"""What is copied into a saved model and runs where it is served: files behind ``predict``, without MLflow."""
