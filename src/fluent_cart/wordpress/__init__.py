"""The outermost layer of the server, which accepts requests as WordPress clients send them."""
