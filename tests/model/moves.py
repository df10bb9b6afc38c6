"""Small changes of the abstract world that several devices share."""

from tests.model.parts import Event, Validator, World, plus


def post(v: Validator, *events: Event) -> Validator:
    """Queue events."""
    return v._replace(queue=(*v.queue, *events))


def to_transport(world: World, kind: str) -> World:
    """A note drops out of the stacker exit, onto the board's transport."""
    return world._replace(b=world.b._replace(transport=plus(world.b.transport, kind)))


def with_v(world: World, v: Validator) -> World:
    """The world with another validator."""
    return world._replace(v=v)


def fall(world: World, kind: str) -> World:
    """A note drops into the cassette."""
    return world._replace(v=world.v._replace(cassette=plus(world.v.cassette, kind)))
