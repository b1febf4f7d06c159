"""The monitor: pages that show runs and questions, live, and steer them."""
