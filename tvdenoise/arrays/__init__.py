"""From an array of any type and layout to planes (C, H, W) on the unit scale, and back."""
