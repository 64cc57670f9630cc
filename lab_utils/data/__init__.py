"""Data sets: phantoms, MedMNIST, the course files, folders of images."""
