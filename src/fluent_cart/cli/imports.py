"""fluent-cart import: a subcommand for each source."""

import typer

from fluent_cart.cli import import_rows, import_wordpress

cli = typer.Typer(no_args_is_help=True, help="Import a shop, or rows, from elsewhere.")
cli.command("wordpress")(import_wordpress.wordpress)
cli.command("csv")(import_rows.csv)
cli.command("ndjson")(import_rows.ndjson)
cli.command("orders")(import_rows.orders)
