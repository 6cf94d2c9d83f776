"""The import rules of all packages, and actions that are allowed in one place only.

Everything here is read from the source with ``ast``, so that an import inside a function counts, too.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import fluent_cart

PACKAGE = Path(fluent_cart.__file__).parent
MIGRATIONS = Path(__file__).parents[1] / "migrations" / "versions"

# Bottom to top: a layer may import the layers that are named for it, which all stand above it here. A name
# such as ``a.b`` is a single module, and the rest of that layer is not allowed.
LAYERS = {
    "__init__": "",
    "enums": "",
    "clock": "",
    "errors": "",
    "settings": "",
    "security": "",
    "models": "enums",
    "formats": "enums errors",
    "schemas": "clock enums errors",
    "observability": "clock errors",
    "database": "__init__ errors formats.atomic_file models observability.metrics settings",
    "wordpress": "formats",
    "services": "clock database.prepared database.transaction enums errors formats models schemas security",
    "http": "clock database enums errors formats observability schemas services wordpress",
    "auth": "clock database enums errors http observability security services settings wordpress",
    "demo": "clock database enums errors models schemas security services settings",
    "openapi": "auth errors http schemas security wordpress",
    "pages": "__init__ auth database enums errors http observability openapi security services wordpress",
    "importers": "auth.roles clock database enums errors formats models schemas security services",
    "routers": "auth errors http observability.security_log openapi schemas services wordpress",
    "doctor": "auth.roles database demo models security services settings",
    "app": "__init__ auth database http observability openapi pages routers settings wordpress",
    "server": "app errors formats http observability settings",
    "cli": (
        "__init__ auth database demo doctor enums errors formats importers observability schemas security"
        " server services settings"
    ),
    "__main__": "cli",
}
# The layers that may use a package of others. Every layer may use a package that is not named here.
THIRD_PARTIES = {
    "fastapi": "app auth http observability.telemetry openapi pages routers server",
    "starlette": "http observability.telemetry wordpress",
    "prometheus_client": "observability",
    "structlog": "observability",
    "opentelemetry": "observability",
    "sqlalchemy": "cli database demo doctor http importers models services",
    "alembic": "database",
    "asyncpg": "database",
    "greenlet": "database",
    "psycopg": "database",
    "pymysql": "importers",
    "pydantic_settings": "settings",
    "bcrypt": "security",
    "passlib": "security",
    "typer": "cli",
    "markdown_it": "pages",
    "uvicorn": "cli server",
}


class Module:
    """A source file of the package, and its imports."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tree = ast.parse(path.read_text("utf-8"))
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        self.layer = parts[0]
        self.name = ".".join(parts).removesuffix(".__init__")

    def imports(self) -> Iterator[str]:
        """Yield the full dotted names of imports: ``from a import b`` is ``a.b``."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert not node.level, f"{self.name} has a relative import"
                yield from (f"{node.module}.{alias.name}" for alias in node.names)

    def own_imports(self) -> Iterator[str]:
        """Yield the imported names of this package, without its own."""
        for name in self.imports():
            package, _, rest = name.partition(".")
            if package == "fluent_cart":
                yield "__init__" if rest in ("", "__version__") else rest

    def forbidden(self) -> list[str]:
        """Return the imports that ``LAYERS`` does not allow, a layer's own modules aside."""
        allowed = {self.layer, *LAYERS[self.layer].split()}
        return [
            name for name in self.own_imports() if not any(f"{name}.".startswith(f"{a}.") for a in allowed)
        ]

    def packages(self) -> set[str]:
        return {name.partition(".")[0] for name in self.imports()}


MODULES = [Module(path) for path in sorted(PACKAGE.rglob("*.py"))]


def modules_in(*layers: str) -> list[Module]:
    found = [module for module in MODULES if module.layer in layers]
    assert found
    return found


def packages_in(layer: str) -> set[str]:
    return set[str]().union(*(module.packages() for module in modules_in(layer)))


def calls(module: Module) -> Iterator[str]:
    """Yield the name of every function or method that is called."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
            yield node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id


class TestLayers:
    def test_every_package_is_in_the_table_of_layers(self) -> None:
        assert {module.layer for module in MODULES} == set(LAYERS)

    def test_layers_import_no_higher_layer(self) -> None:
        below: set[str] = set()
        for layer, allowed in LAYERS.items():
            assert {name.partition(".")[0] for name in allowed.split()} <= below, layer
            below.add(layer)

    def test_modules_import_only_what_the_table_allows(self) -> None:
        assert {module.name: found for module in MODULES if (found := module.forbidden())} == {}

    def test_packages_have_no_import_cycles(self) -> None:
        """Not even those that Python would put up with."""
        names = {module.name for module in MODULES}
        graph = {
            module.name: {
                name if name in names else name.rpartition(".")[0] or "__init__"
                for name in module.own_imports()
            }
            for module in MODULES
        }
        assert set(TopologicalSorter(graph).static_order()) == names

    def test_third_party_imports_are_in_the_table(self) -> None:
        forbidden = [
            (module.name, package)
            for module in MODULES
            for package in module.packages() & set(THIRD_PARTIES)
            if not any(f"{module.name}.".startswith(f"{place}.") for place in THIRD_PARTIES[package].split())
        ]
        assert forbidden == []

    @pytest.mark.parametrize(
        ("layer", "others"),
        [
            ("services", {"fastapi", "starlette", "asyncio", "anyio", "threading", "concurrent"}),
            ("models", {"fastapi", "starlette", "pydantic"}),
            ("schemas", {"starlette", "sqlalchemy"}),
            ("routers", {"sqlalchemy", "asyncio", "anyio", "threading"}),
            ("errors", {"fastapi", "starlette", "pydantic", "sqlalchemy"}),
        ],
    )
    def test_packages_import_only_their_own_tools(self, layer: str, others: set[str]) -> None:
        assert packages_in(layer) & others == set()

    def test_migrations_import_nothing_of_the_server(self) -> None:
        """A migration that imported a model would change with it."""
        scripts = {path.name: path.read_text("utf-8") for path in MIGRATIONS.glob("*.py")}
        assert scripts
        assert [name for name, source in scripts.items() if "fluent_cart" in source] == []


class TestOnePlaceOnly:
    def test_only_settings_read_the_environment(self) -> None:
        """Only ``settings`` reads variables. Other modules may set one for a child process."""
        names = ("environ", "environb", "getenv")
        found = []
        for module in MODULES:
            if module.name == "settings":
                continue
            written = {
                id(node.value)
                for node in ast.walk(module.tree)
                if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del)
            }
            found += [
                (module.name, ast.unparse(node))
                for node in ast.walk(module.tree)
                if isinstance(node, ast.Attribute) and node.attr in names and id(node) not in written
            ]
            found += [(module.name, name) for name in module.imports() if name.rpartition(".")[2] in names]
        assert found == []

    def test_only_database_begins_and_ends_transactions(self) -> None:
        own = {
            "begin",
            "begin_nested",
            "begin_twophase",
            "commit",
            "rollback",
            "create_engine",
            "sessionmaker",
        }
        used = {module.name: names for module in MODULES if (names := own & set(calls(module)))}
        assert [name for name in used if name.partition(".")[0] != "database"] == []
        assert set[str]().union(*used.values()) >= {"begin", "create_engine"}


def test_units_of_work_are_plain_functions() -> None:
    asynchronous = (ast.AsyncFunctionDef, ast.AsyncWith, ast.AsyncFor, ast.Await)
    for module in modules_in("services", "models", "schemas"):
        assert [node for node in ast.walk(module.tree) if isinstance(node, asynchronous)] == [], module.name


def test_route_is_a_permission_one_unit_of_work_and_an_envelope() -> None:
    decisions = (ast.If, ast.IfExp, ast.Try, ast.For, ast.While, ast.Match, ast.Raise)
    handlers = [
        node
        for module in modules_in("routers")
        for node in module.tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.decorator_list
    ]
    assert handlers
    for handler in handlers:
        nodes = list(ast.walk(handler))
        assert [node for node in nodes if isinstance(node, decisions)] == [], handler.name
        # A file is made while it is sent, in a unit of work that outlives the handler.
        # A long poll waits before its unit of work, without a connection.
        awaits = {"export_customers": 1, "list_customer_changes": 2}.get(handler.name, 0)
        assert len([node for node in nodes if isinstance(node, ast.Await)]) == awaits, handler.name


def test_start_on_sqlite_loads_neither_migrations_nor_postgresql() -> None:
    """A fifth of the time until the first answer."""
    script = "import sys, fluent_cart.cli.serve; print({'alembic', 'asyncpg', 'psycopg'} & set(sys.modules))"
    printed = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout
    assert printed == "set()\n"
