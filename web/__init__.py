"""HTTP: the Flask app, its routes, who may use it, viewers, uploads and live recordings."""
