"""The web server of a WordPress site passes calls of the customers API on, and all else to WordPress."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest

from tests.support.paths import ROOT
from tests.support.server import free_port, until

FILES = ROOT / "deploy" / "wordpress"
TOOLS = os.pathsep.join([os.environ["PATH"], "/usr/sbin"])
API = "/wp-json/fluent-cart/v2/customers"
SIGNED = {"Authorization": "Basic YTpi", "Host": "shop.example.com"}
# A site without pretty permalinks.
QUERIES = [
    "/?rest_route=/fluent-cart/v2/customers",
    "/?per_page=2&rest_route=%2Ffluent-cart%2Fv2%2Fcustomers%2F7&x=a%20b",
    "/index.php?rest_route=/fluent-cart/v1/customers/7/orders",
]
MODULES = Path("/usr/lib/apache2/modules")
READ_COPY = {
    "nginx.conf": """    if ($request_method !~ ^(GET|HEAD|OPTIONS)$) {
        return 418;
    }
""",
    "Caddyfile": "\tmethod GET HEAD OPTIONS\n",
    "apache.conf": "RewriteCond %{REQUEST_METHOD} ^(?:GET|HEAD|OPTIONS)$\n",
}


class Recorded(BaseHTTPRequestHandler):
    """Stands for the API or for WordPress: answers with the name of its server, and the request."""

    name = ""

    def answer(self) -> None:
        headers = {
            "Server-Name": self.name,
            "Target": self.path,
            "Sent-Method": self.command,
        }
        for name in ("Host", "X-Forwarded-For", "X-Forwarded-Proto", "Authorization"):
            headers[f"Sent-{name}"] = self.headers.get(name, "")
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST = do_PUT = do_DELETE = do_OPTIONS = answer  # noqa: N815  # names of the library

    def log_message(self, *_: object) -> None: ...


@contextmanager
def recording(name: str) -> Iterator[int]:
    handler = type("Named", (Recorded,), {"name": name})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever).start()
        yield server.server_port
        server.shutdown()


def nginx(snippet: Path, port: int, wordpress: int, folder: Path) -> list[str]:
    """Configure a site whose WordPress is behind index.php, as PHP-FPM is."""
    (folder / "site.conf").write_text(f"""
daemon off; pid nginx.pid; error_log stderr crit;
events {{}}
http {{ access_log off; server {{
    listen 127.0.0.1:{port};
    include {snippet};
    location / {{ try_files /none /index.php?$args; }}
    location ~ \\.php$ {{
        proxy_pass http://127.0.0.1:{wordpress}$request_uri;
        proxy_set_header Host $http_host;
    }}
}} }}""")
    return ["nginx", "-p", str(folder), "-c", str(folder / "site.conf")]


def caddy(snippet: Path, port: int, wordpress: int, folder: Path) -> list[str]:
    (folder / "site").write_text(f"""{{
	admin off
	auto_https off
}}
http://:{port} {{
	import {snippet}
	reverse_proxy 127.0.0.1:{wordpress}
}}
""")
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(folder / "site")]


def apache(snippet: Path, port: int, wordpress: int, folder: Path) -> list[str]:
    modules = ("mpm_event", "authz_core", "rewrite", "proxy", "proxy_http", "headers")
    loaded = "\n".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in modules)
    (folder / "site.conf").write_text(f"""
ServerRoot {folder}
{loaded}
PidFile {folder}/apache.pid
DefaultRuntimeDir {folder}
ErrorLog {folder}/error.log
Listen 127.0.0.1:{port}
<VirtualHost 127.0.0.1:{port}>
    ServerName shop.example.com
    Include {snippet}
    ProxyPass / http://127.0.0.1:{wordpress}/
</VirtualHost>
""")
    return ["apache2", "-f", str(folder / "site.conf"), "-DFOREGROUND"]


Configure = Callable[[Path, int, int, Path], list[str]]
PROGRAMS: dict[str, tuple[str, Configure]] = {
    "nginx.conf": ("nginx", nginx),
    "Caddyfile": ("caddy", caddy),
    "apache.conf": ("apache2", apache),
}


@pytest.fixture(params=PROGRAMS)
def file(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    program, _ = PROGRAMS[name]
    if shutil.which(program, path=TOOLS) is None:
        pytest.skip(f"THE ROUTES OF {program.upper()} WERE NOT TESTED: it is not installed here")
    return name


@contextmanager
def site(file: str, folder: Path, text: str) -> Iterator[httpx.Client]:
    """Run the web server of the site with a file of deploy/, whose port alone is another one."""
    _, configure = PROGRAMS[file]
    with recording("api") as api, recording("wordpress") as wordpress:
        (snippet := folder / file).write_text(text.replace("127.0.0.1:8000", f"127.0.0.1:{api}"))
        port = free_port()
        command = configure(snippet, port, wordpress, folder)
        with (folder / "log").open("wb") as log:
            environment = {**os.environ, "PATH": TOOLS, "HOME": str(folder), "XDG_DATA_HOME": str(folder)}
            process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:

                def answers() -> bool:
                    try:
                        return client.get("/").status_code == 200
                    except httpx.TransportError:
                        return False

                until(answers, (folder / "log").read_text())
                yield client
        finally:
            process.terminate()
            process.wait(timeout=20)


@pytest.mark.server
def test_reads_with_a_password_reach_the_api_and_everything_else_reaches_wordpress(
    file: str, tmp_path: Path
) -> None:
    with site(file, tmp_path, (FILES / file).read_text()) as client:
        for path in (
            API,
            f"{API}/",
            f"{API}/7?with[]=x&search=a%20b",
            f"/index.php{API}",
            API.replace("2", "1"),
        ):
            answer = client.get(path, headers=SIGNED)
            assert (answer.headers["Server-Name"], answer.headers["Target"]) == ("api", path)
            assert answer.headers["Sent-Host"] == "shop.example.com"
            assert answer.headers["Sent-X-Forwarded-For"] == "127.0.0.1"
            assert answer.headers["Sent-X-Forwarded-Proto"] == "http"
            assert answer.headers["Sent-Authorization"] == SIGNED["Authorization"]
        for path in QUERIES:
            answer = client.get(path, headers=SIGNED)
            # The server reads the route from the query: with or without index.php in front.
            assert answer.headers["Server-Name"] == "api", path
            assert (
                answer.headers["Target"].removeprefix("/index.php").removeprefix("/")
                == path[path.index("?") :]
            )
        for method, path, headers in (
            *(("GET", path, {}) for path in QUERIES),
            *(("POST", path, SIGNED) for path in QUERIES),
            ("GET", "/?rest_route=/fluent-cart/v2/orders", SIGNED),
            ("GET", "/?rest_route=/wp/v2/users&x=/fluent-cart/v2/customers", SIGNED),
            ("GET", "/?p=1", SIGNED),
            ("GET", API, {}),
            ("POST", API, SIGNED),
            ("DELETE", f"{API}/7", SIGNED),
            ("GET", f"{API}-other", SIGNED),
            ("GET", "/wp-json/fluent-cart/v2/orders?search=a%20b", SIGNED),
            ("GET", "/wp-json/wp/v2/users/me", SIGNED),
            ("GET", "/shop/", {}),
            ("GET", "/wp-login.php", {}),
            ("GET", "/wp-admin/profile.php", SIGNED),
            ("POST", "/wp-admin/authorize-application.php", {}),
        ):
            answer = client.request(method, path, headers=headers)
            assert (answer.headers["Server-Name"], answer.headers["Sent-Method"]) == ("wordpress", method)
            assert answer.headers["Target"] == path


@pytest.mark.server
def test_writes_reach_the_api_after_the_switch(file: str, tmp_path: Path) -> None:
    text = (FILES / file).read_text()
    assert READ_COPY[file] in text
    with site(file, tmp_path, text.replace(READ_COPY[file], "")) as client:
        for method in ("GET", "POST", "PUT", "DELETE"):
            answer = client.request(method, API, headers=SIGNED, content=b"{}")
            assert (answer.headers["Server-Name"], answer.headers["Sent-Method"]) == ("api", method)
        assert client.get(API).headers["Server-Name"] == "wordpress"
        for path in QUERIES:
            assert client.post(path, headers=SIGNED).headers["Server-Name"] == "api"
            assert client.post(path).headers["Server-Name"] == "wordpress"
