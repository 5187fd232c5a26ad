"""The app: `python main.py [source]` serves a page that shows live facial expressions."""

import argparse
import os
import secrets
import signal
import sys
import threading
import webbrowser
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

from werkzeug.serving import BaseWSGIServer

import camera
from model import FacialExpressionModel, ModelError
from version import VERSION
from vision.confidence import SURE
from vision.source import Source, SourceError, check_source, parse_source
from web.access import EVERYWHERE, OWN_NAMES, is_loopback, names_of
from web.app import close_app, create_app
from web.memory import share_memory_between_threads
from web.recordings import default_folder
from web.server import HOST, PORT, CertificateError, create_server, listen, load_certificate

MODEL_WAIT = 0.5  # seconds; a model that takes longer is being compiled, and frames are shown meanwhile


def choose_source(text: object) -> tuple[Source, str | None]:
    """The source to watch, and a note for the page where the demo plays in place of a webcam.

    Raises SourceError where a file or picture cannot be read.
    """
    source = parse_source(text)
    try:
        check_source(source)
    except SourceError as error:
        if not isinstance(source, int):
            raise
        return "demo", (
            f"{error} The demo plays instead. To watch something else, start the program with a source, such "
            "as pipenv run start clip.mp4, photo.jpg, 1 (a second webcam), or an http or rtsp address."
        )
    return source, None


def open_browser(address: str) -> None:
    """Show the address in the browser, where there is a screen for one."""
    if sys.platform in ("win32", "darwin") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """The command line's options."""
    parser = argparse.ArgumentParser(prog="main.py", description="Live facial expressions in your browser.")
    parser.add_argument(
        "source",
        nargs="?",
        default=camera.SOURCE,
        help="a webcam's index, a video or picture file, an http or rtsp address, or demo (default: %(default)s)",
    )
    parser.add_argument("--port", type=int, help=f"the port to serve on (default: the first free one from {PORT})")
    parser.add_argument(
        "--host", default=HOST, help="let other machines connect, with a token; 0.0.0.0 listens on every address"
    )
    parser.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME", help="another name under which this is reached"
    )
    parser.add_argument(
        "--embed", action="append", default=[], metavar="ORIGIN", help="a site whose pages may show the picture"
    )
    parser.add_argument(
        "--behind-proxy", action="store_true", help="believe the X-Forwarded headers of a proxy in front of this"
    )
    parser.add_argument("--certfile", metavar="PEM", help="serve https with this certificate")
    parser.add_argument("--keyfile", metavar="PEM", help="the certificate's key, if it is in another file")
    parser.add_argument(
        "--sure",
        type=float,
        default=SURE,
        metavar="SHARE",
        help="show labels that are right at least so often, and Unsure for others (default: %(default)s; 0 shows all)",
    )
    parser.add_argument(
        "--recordings",
        type=Path,
        metavar="FOLDER",
        default=default_folder(),
        help="where recordings are stored (default: %(default)s)",
    )
    parser.add_argument("--no-browser", action="store_true", help="do not open the page in the browser")
    parser.add_argument("--version", action="version", version=VERSION)
    options = parser.parse_args(arguments)
    if not 0 <= options.sure <= 1:
        parser.error("--sure takes a number from 0 to 1")
    return options


def main(arguments: list[str] | None = None) -> int:
    """Serve until interrupted. Returns the exit status."""
    options = parse_arguments(arguments)
    share_memory_between_threads()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have started this with Ctrl-C ignored
    try:
        serve(options)
    except KeyboardInterrupt:
        pass  # during the start; later the server ends without one
    except (SourceError, ModelError, CertificateError) as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"Cannot serve on {options.host}: {error}. Choose another port with --port.", file=sys.stderr)
        return 2
    print("Stopped.")
    return 0


def serve(options: argparse.Namespace) -> None:
    """Serve until interrupted.

    Raises SourceError, CertificateError, ModelError once it is known, and OSError where no port is free.
    """
    source, note = choose_source(options.source)
    if note:
        print(note)
    tls = load_certificate(options.certfile, options.keyfile)
    listener = listen(options.port, options.host)
    model = ThreadPoolExecutor(1).submit(FacialExpressionModel)
    if wait([model], MODEL_WAIT).done:
        model.result()
    video = camera.VideoCamera(source, model, options.sure)
    needs_token = options.allow_host or not is_loopback(options.host)
    token, watch_token = (secrets.token_urlsafe(24), secrets.token_urlsafe(24)) if needs_token else (None, None)
    names = [*names_of(options.host), *options.allow_host]
    folder = options.recordings.absolute()
    app = create_app(video, note, names, token, options.embed, options.behind_proxy, folder, watch_token)
    try:
        server = create_server(app, listener, options.host, tls)
        print(f"Recordings are stored in {folder}", flush=True)
        announce(addresses(options.host, names, server.port, tls is not None, token), not options.no_browser)
        if watch_token:
            announce_watching(outward_addresses(names, server.port, tls is not None, watch_token))
        threading.Thread(target=watch_model, args=(model, server), daemon=True).start()
        server.serve_forever()
    finally:
        video.close()
        close_app(app)
    model.result()


def addresses(host: str, names: list[str], port: int, tls: bool, token: str | None) -> list[str]:
    """The links under which the page can be opened."""
    here = [f"[{host}]" if host == "::1" else HOST] if is_loopback(host) or host in EVERYWHERE else []
    return [_link(name, port, tls, token) for name in here] + outward_addresses(names, port, tls, token)


def outward_addresses(names: list[str], port: int, tls: bool, token: str | None) -> list[str]:
    """Those links that other machines can open."""
    return [_link(name, port, tls, token) for name in names if name not in OWN_NAMES]


def _link(name: str, port: int, tls: bool, token: str | None) -> str:
    return f"{'https' if tls else 'http'}://{name}:{port}" + (f"/?token={token}" if token else "")


def announce(links: list[str], browser: bool) -> None:
    """Print the links. browser: whether to open the first one."""
    for link in links:
        print(f"Serving on {link} (Ctrl-C stops)", flush=True)
    if browser:
        open_browser(links[0])


def announce_watching(links: list[str]) -> None:
    """Print the links with which others can only watch."""
    for link in links:
        print(f"Others can watch on {link}", flush=True)


def watch_model(model: Future[FacialExpressionModel], server: BaseWSGIServer) -> None:
    """Wait for the model. Print its note, or stop serving where it cannot be loaded."""
    if model.exception():
        server.shutdown()
    elif note := model.result().note:
        print(note, flush=True)


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # everything is closed by now, and TensorFlow takes seconds to leave on a busy machine
