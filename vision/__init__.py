"""From a source to drawn faces; knows nothing of HTTP, of files to write, or of Keras."""
