"""What an image set is: manifest, splits, decoding, the pixel store, attributes."""
