"""Input and output, named by direction: ``CustomerCreate`` is input, ``CustomerDetail`` is output."""
