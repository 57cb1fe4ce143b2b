"""Gajim on a screen that nobody sees, driven through its own remote control.

Usage: python3 gajim_client.py HOME JID PASSWORD PORT CERTIFICATE

Starts a screen, a session bus and Gajim, and says "online" once it is logged in. A line of input
is then one of these, answered by "ok":

    send JID TEXT       sends a message
    expect TEXT         waits until Gajim has the message in its history
    screenshot FILE     takes a picture of the screen

Gajim does not start as root; HOME must be writable to who runs this. It ends with its input.
"""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

ACCOUNT = "test"
SCREEN = "1280x800"
WAIT_S = 60
# As Gajim 1.7 knows them (gajim/common/settings.py); it brings them up to its version itself.
SETTINGS = """
    CREATE TABLE settings (name TEXT UNIQUE, settings TEXT);
    CREATE TABLE account_settings (account TEXT UNIQUE, settings TEXT);
    PRAGMA user_version=0;
"""


class Gajim:
    def __init__(self, home, jid, password, port, certificate):
        self.home = Path(home)
        self.children = []
        self.write_settings(jid, password, int(port))
        certificates = self.home / "data/gajim/cert_store"
        certificates.mkdir(parents=True)
        shutil.copy(certificate, certificates / "server")
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": home,
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "XDG_DATA_HOME": str(self.home / "data"),
            "XDG_CACHE_HOME": str(self.home / "cache"),
            "XDG_RUNTIME_DIR": home,
            "LC_ALL": "C.UTF-8",
            "GTK_A11Y": "none",
            "NO_AT_BRIDGE": "1",
        }
        self.environment["DISPLAY"] = ":" + self.start_screen()
        self.environment["DBUS_SESSION_BUS_ADDRESS"] = self.start_bus()
        log = open(self.home / "gajim.log", "w")
        self.start("gajim", stdout=log, stderr=log)

    def write_settings(self, jid, password, port):
        name, host = jid.split("@")
        account = {
            "account_label": ACCOUNT,
            "active": True,
            "autoconnect": True,
            "custom_host": "127.0.0.1",
            "custom_port": port,
            "custom_type": "START TLS",
            "hostname": host,
            "name": name,
            "password": password,
            "savepass": True,
            "use_custom_host": True,
        }
        application = {"remote_control": True, "use_keyring": False, "show_main_window_on_startup": "always"}
        folder = self.home / "config/gajim"
        folder.mkdir(parents=True)
        with sqlite3.connect(folder / "settings.sqlite") as database:
            database.executescript(SETTINGS)
            for name in ("soundevents", "status_presets", "proxies", "plugins"):
                database.execute("INSERT INTO settings VALUES (?, '{}')", (name,))
            database.execute("INSERT INTO settings VALUES ('app', ?)", (json.dumps(application),))
            of_account = {"account": account, "contact": {}, "group_chat": {}}
            database.execute("INSERT INTO account_settings VALUES (?, ?)", (ACCOUNT, json.dumps(of_account)))

    def start(self, *command, **how):
        child = subprocess.Popen(command, env=self.environment, stdin=subprocess.DEVNULL, **how)
        self.children.append(child)
        return child

    def start_screen(self):
        reader, writer = os.pipe()
        self.start(
            *("Xvfb", "-displayfd", str(writer), "-screen", "0", f"{SCREEN}x24", "-nolisten", "tcp"),
            pass_fds=[writer],
            stderr=subprocess.DEVNULL,
        )
        os.close(writer)
        with os.fdopen(reader) as number:
            return number.readline().strip()

    def start_bus(self):
        bus = self.start("dbus-daemon", "--session", "--nofork", "--print-address", stdout=subprocess.PIPE, text=True)
        return bus.stdout.readline().strip()

    def remote(self, *command):
        return subprocess.run(
            ["gajim-remote", *command], env=self.environment, capture_output=True, text=True, timeout=WAIT_S
        )

    def wait_until_online(self):
        self.until("online", lambda: "online" in self.remote("get_status", ACCOUNT).stdout)

    def send(self, jid, text):
        answer = self.remote("send_chat_message", jid, text, ACCOUNT)
        if answer.returncode != 0 or "false" in answer.stdout.lower():
            raise SystemExit(f"not sent: {answer}")

    def expect(self, text):
        self.until(text, lambda: text in self.history())

    def history(self):
        with sqlite3.connect(f"file:{self.home}/data/gajim/logs.db?mode=ro", uri=True) as database:
            return [row[0] for row in database.execute("SELECT message FROM logs")]

    def screenshot(self, file):
        subprocess.run(
            ["ffmpeg", "-v", "error", "-y", "-f", "x11grab", "-video_size", SCREEN]
            + ["-i", self.environment["DISPLAY"], "-frames:v", "1", file],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            check=True,
        )

    def until(self, what, holds):
        gives_up = time.monotonic() + WAIT_S
        while not holds():
            if time.monotonic() > gives_up or self.children[-1].poll() is not None:
                raise SystemExit(f"in vain: {what}\n{(self.home / 'gajim.log').read_text()}")
            time.sleep(0.2)

    def end(self):
        for child in reversed(self.children):
            child.kill()
            child.wait()


def say(word):
    print(word, flush=True)


gajim = Gajim(*sys.argv[1:])
try:
    gajim.wait_until_online()
    say("online")
    for line in sys.stdin:
        command, _, rest = line.rstrip("\n").partition(" ")
        {
            "send": lambda: gajim.send(*rest.split(" ", 1)),
            "expect": lambda: gajim.expect(rest),
            "screenshot": lambda: gajim.screenshot(rest),
        }[command]()
        say("ok")
finally:
    gajim.end()
