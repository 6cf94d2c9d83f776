"""What the shop can do: plain functions over a connection, each one unit of work or a part of one."""
