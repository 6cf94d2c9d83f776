from fluent_cart.cli.main import main

main()
