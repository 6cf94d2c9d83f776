"""The operations of a shop: plain functions of a connection, each one unit of work or a part of one."""
