"""The edge of the server: requests and answers as WordPress clients know them."""
