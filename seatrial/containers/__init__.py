"""Container engines, the images in them, and the registries they come from."""
