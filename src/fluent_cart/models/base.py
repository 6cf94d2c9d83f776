"""Names of constraints, and column types with the same results on every database."""

from typing import Annotated

from sqlalchemy import TIMESTAMP, BigInteger, Integer, MetaData, String, Text
from sqlalchemy import text as sql_text
from sqlalchemy.orm import DeclarativeBase, mapped_column


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


# Python sees a time as the text of the API. SQLite stores this text. PostgreSQL's driver is configured to
# return it (``database.postgresql``).
TimestampType = String(20).with_variant(TIMESTAMP(timezone=True), "postgresql")

# AUTOINCREMENT keeps SQLite from using the id of a deleted row again. SQLite has it for INTEGER only.
IdType = BigInteger().with_variant(Integer, "sqlite")


def text(length: int) -> String:
    """Return a text type that sorts by code point on every database."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


PrimaryKey = Annotated[int, mapped_column(IdType, primary_key=True)]
TimeColumn = Annotated[str, mapped_column(TimestampType)]
MoneyColumn = Annotated[int, mapped_column(BigInteger, default=0)]
NameColumn = Annotated[str, mapped_column(text(255), default="")]
NameKeyColumn = Annotated[str, mapped_column(text(255), server_default=sql_text("''"))]

# Without a limit, because folding can make a text longer.
FoldedColumn = Annotated[str, mapped_column(Text().with_variant(Text(collation="C"), "postgresql"))]
