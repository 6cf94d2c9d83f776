"""What all tables share: names of constraints, and column types that answer the same on every database."""

from datetime import datetime
from typing import Annotated

from sqlalchemy import TIMESTAMP, BigInteger, Dialect, Integer, MetaData, String, Text, TypeDecorator
from sqlalchemy.orm import DeclarativeBase, mapped_column

from fluent_cart.clock import to_text


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


class _TimestampAsText(TypeDecorator[str]):
    """A ``timestamptz`` that Python sees in the documented form, as it does on SQLite."""

    impl = TIMESTAMP(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else datetime.fromisoformat(value)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else to_text(value)


# SQLite keeps a time as the text that the API answers, so that reading it costs nothing.
Moment = String(20).with_variant(_TimestampAsText(), "postgresql")

# AUTOINCREMENT, which SQLite has for INTEGER alone, keeps it from giving a deleted row's id to a new one.
Id = BigInteger().with_variant(Integer, "sqlite")


def text(length: int) -> String:
    """Return a text type that every database sorts alike, by code point."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


PrimaryKey = Annotated[int, mapped_column(Id, primary_key=True)]
Time = Annotated[str, mapped_column(Moment)]
Money = Annotated[int, mapped_column(BigInteger, default=0)]
Name = Annotated[str, mapped_column(text(255), default="")]

# Folding can make a text longer than it was, so this has no limit of its own.
Folded = Annotated[str, mapped_column(Text().with_variant(Text(collation="C"), "postgresql"))]
