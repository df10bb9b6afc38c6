"""Coverage-guided fuzzing of every decoder: `make fuzz`. Without atheris, their seeds run in `make test`."""
