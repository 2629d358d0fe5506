"""The scanning transmission electron microscope: samples, images, scan, spectra, camera, and the twins made of them."""
