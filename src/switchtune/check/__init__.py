"""What is wrong with somebody's data, found before anything is trained on it."""
