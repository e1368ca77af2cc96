"""What ``from tvdenoise import denoise`` is: arrays and tensors in, a certified result out."""
