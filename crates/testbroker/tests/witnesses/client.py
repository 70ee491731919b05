"""What Microsoft's client for Python sees of the broker: CONNECTION_STRING CONTROL_PORT."""

import socket
import sys
import threading
import time

from azure.servicebus import NEXT_AVAILABLE_SESSION, ServiceBusClient
from azure.servicebus.exceptions import (
    OperationTimeoutError,
    SessionCannotBeLockedError,
    SessionLockLostError,
)

connection_string, control_port = sys.argv[1], int(sys.argv[2])
QUEUE = "elections"
orders = socket.create_connection(("127.0.0.1", control_port)).makefile("rw")


def order(line):
    orders.write(line + "\n")
    orders.flush()
    assert orders.readline().strip() == "ok", line


def client():
    return ServiceBusClient.from_connection_string(connection_string, retry_total=0)


def expect(error, action):
    try:
        action()
    except error as seen:
        return seen
    raise AssertionError(f"expected {error.__name__}")


with client() as one, client() as two:
    with one.get_queue_receiver(QUEUE, session_id="py") as held:
        session = held.session
        assert session.session_id == "py", session.session_id
        lasts = (session.locked_until_utc.timestamp() - time.time())
        assert 50 < lasts < 70, lasts
        print("accept: ok")

        def refused():
            with two.get_queue_receiver(QUEUE, session_id="py"):
                pass

        expect(SessionCannotBeLockedError, refused)
        print("refusal: ok")

        assert session.get_state() is None
        session.set_state(b"one")
        assert session.get_state() == b"one"
        print("state: ok")

        before = session.locked_until_utc
        time.sleep(0.05)
        assert session.renew_lock() > before
        print("renew: ok")

    # Free as soon as it is closed, and its state is there still.
    with two.get_queue_receiver(QUEUE, session_id="py") as held:
        assert held.session.get_state() == b"one"
        held.session.set_state(None)
        assert held.session.get_state() is None
        order("lock 300")
        held.session.renew_lock()
        time.sleep(0.6)
        expect(SessionLockLostError, held.session.renew_lock)
        print("lock lost: ok")
    order("lock 60000")

    with one.get_queue_receiver(QUEUE, session_id="py") as held:
        order("detach")
        time.sleep(0.2)
        expect(SessionLockLostError, held.session.renew_lock)
        with two.get_queue_receiver(QUEUE, session_id="py") as next_one:
            assert next_one.session.session_id == "py"
        print("forced detach: ok")

    # Sessions without a message are not handed out.
    order("message push py-next card")
    with one.get_queue_receiver("push", session_id="py-next"):

        def too_late():
            with two.get_queue_receiver("push", session_id=NEXT_AVAILABLE_SESSION, max_wait_time=1):
                pass

        expect(OperationTimeoutError, too_late)
    got = {}
    held = one.get_queue_receiver("push", session_id="py-next").__enter__()

    def wait():
        with two.get_queue_receiver("push", session_id=NEXT_AVAILABLE_SESSION, max_wait_time=20) as next_one:
            got["session"], got["at"] = next_one.session.session_id, time.monotonic()

    waiter = threading.Thread(target=wait)
    waiter.start()
    time.sleep(1)
    assert not got, got
    closed = time.monotonic()
    held.close()
    waiter.join()
    assert got["session"] == "py-next", got
    print(f"accept next: ok, {1000 * (got['at'] - closed):.0f} ms after the close")
print("all: ok")
