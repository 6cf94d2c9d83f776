"""What all tables share: names of constraints, and column types that answer the same on every database."""

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


# Python sees a time as the text that the API answers. SQLite stores that text. PostgreSQL's driver is
# configured to read it (``database.postgresql``).
Moment = String(20).with_variant(TIMESTAMP(timezone=True), "postgresql")

# AUTOINCREMENT, which SQLite has for INTEGER alone, keeps it from giving a deleted row's id to a new one.
Id = BigInteger().with_variant(Integer, "sqlite")


def text(length: int) -> String:
    """Return a text type that every database sorts alike, by code point."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


PrimaryKey = Annotated[int, mapped_column(Id, primary_key=True)]
Time = Annotated[str, mapped_column(Moment)]
Money = Annotated[int, mapped_column(BigInteger, default=0)]
Name = Annotated[str, mapped_column(text(255), default="")]
NameKey = Annotated[str, mapped_column(text(255), server_default=sql_text("''"))]

# Folding can make a text longer than it was, so this has no limit of its own.
Folded = Annotated[str, mapped_column(Text().with_variant(Text(collation="C"), "postgresql"))]
