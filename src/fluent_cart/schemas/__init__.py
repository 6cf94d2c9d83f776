"""The shapes of input and output, named by direction: ``CustomerCreate`` in, ``CustomerDetail`` out."""
