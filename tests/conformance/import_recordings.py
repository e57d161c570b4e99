#!/usr/bin/env python3
"""Makes recorded/<system>.json from a folder of recorded exchanges (one JSON file each): bodies parsed, HTML reduced
to its title, headers to those that are compared. Run by hand when there are new recordings.

    import_recordings.py FOLDER recorded/modern.json [--only-different-from recorded/legacy-external.json]
"""

import argparse
import json
import re
from pathlib import Path

# Not replayed: pages of the console (HTML); exchanges whose body was cut; a batch whose end nobody waited for; jobs
# whose outcome came from the accounts of the machine, or from its database being locked.
LEFT_OUT = re.compile(r"^console|https-(good|other)-cert-console|ssh-batch3|bigoutput|ssh-sudo-user"
                      r"|ssh-bad-auth(?!2)|ssh-conn-refused(?!2)|^logs-(after|from)")
KEPT_HEADERS = {"content-type", "location"}
KEPT_CALLBACK_HEADERS = {"content-type", "accept"}
LOG_RECORDS_KEPT = 3


def body_of(text, content_type):
    """{"json": value}, {"text": ...}, {"html": title}, or {"cut": true} for JSON that the recording cut off."""
    if text is None:
        return {"text": ""}
    if "<html" in text[:400].lower():
        title = re.search(r"<title>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
        return {"html": re.sub(r"&#x2F;", "/", title.group(1)) if title else ""}
    if "json" in (content_type or "") or text[:1] in ("{", "["):
        try:
            value = json.loads(text)
        except ValueError:
            return {"cut": True} if text.endswith("cut)") else {"text": text}
        if isinstance(value, dict) and isinstance(value.get("logs"), list):
            value["logs"] = value["logs"][:LOG_RECORDS_KEPT]
        return {"json": value}
    return {"text": text}


def exchange(name, recorded):
    if isinstance(recorded, list):
        callbacks = []
        for one in recorded:
            headers = {k.lower(): v for k, v in one["headers"] if k.lower() in KEPT_CALLBACK_HEADERS}
            callbacks.append({"method": one["method"], "path": one["path"], **headers, "body": json.loads(one["body"])})
        return {"name": name, "callbacks": callbacks}
    request, response = recorded["request"], recorded["response"]
    headers = {k.lower(): v for k, v in response["headers"] if k.lower() in KEPT_HEADERS}
    return {
        "name": name,
        "request": {key: request[key] for key in ("method", "path", "scheme", "client_cert", "headers", "body")},
        "response": {"status": response["status"], "headers": headers,
                     "body": body_of(response["body"], headers.get("content-type"))},
    }


def essence(one):
    """What two systems are compared by: everything but ids, times and addresses."""
    text = json.dumps(one.get("response") or one.get("callbacks"), sort_keys=True)
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{32}", "ID", text)
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+", "TIME", text)
    return re.sub(r"\d+\.\d+|\d{9,}", "N", text)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("result")
    parser.add_argument("--only-different-from")
    options = parser.parse_args()
    files = sorted(Path(options.folder).glob("*.json"), key=lambda path: int(path.name.split("-")[0]))
    found = []
    for path in files:
        name = path.stem.split("-", 1)[1]
        if not LEFT_OUT.search(name):
            found.append(exchange(f"{path.stem.split('-')[0]}-{name}",
                                  json.loads(path.read_text(encoding="utf-8"))))
    if options.only_different_from:
        others = json.loads(Path(options.only_different_from).read_text(encoding="utf-8"))
        known = {one["name"].split("-", 1)[1]: essence(one) for one in others}
        # What is asked of tasks needs the launches before it: only exchanges that stand alone are compared.
        found = [one for one in found if "request" in one and known.get(one["name"].split("-", 1)[1]) != essence(one)
                 and stands_alone(one)]
    lines = ",\n".join(json.dumps(one, ensure_ascii=False) for one in found)
    Path(options.result).write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    print(f"{len(found)} exchanges")


def stands_alone(one):
    body = one["response"]["body"]
    return not re.search(r"otp|ssh|logs|status-multi$|statuses$", one["name"]) and not (
        isinstance(body.get("json"), dict) and "execution_history" in json.dumps(body))


if __name__ == "__main__":
    main()
