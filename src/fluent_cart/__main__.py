from fluent_cart.cli import main

main()
