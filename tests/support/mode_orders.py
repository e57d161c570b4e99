"""The mode of a proxy, and orders about it, through its route."""


def mode_of(client):
    """The document about the mode."""
    answer = client.get("/dynflow/mode")
    assert answer.status == 200, f"{answer.status} {answer.text}"
    return answer.json()


def begin_hand_over(client, external):
    """Has the proxy behind `client` hand over to the core service (`external`) or to itself; the document about it."""
    answer = client.post("/dynflow/mode", {"action": "begin", "external_core": external})
    assert answer.status == 200, f"{answer.status} {answer.text}"
    return answer.json()
