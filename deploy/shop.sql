-- Runs once, in an empty cluster: the server owns its database, and nothing else.
\getenv password SHOP_PASSWORD
CREATE ROLE shop LOGIN PASSWORD :'password';
CREATE DATABASE shop OWNER shop;
