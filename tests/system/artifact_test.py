#!/usr/bin/env python3
"""kill -9 of the server while an artifact is uploaded: the upload goes on where it was."""
import hashlib
import http.client
import os
import random
import signal
import threading

from harness import PATIENCE, Refused, RestClient, SystemTest, main

PIECE = 256 * 1024


def digest_of(data):
    return hashlib.blake2b(data, digest_size=32).hexdigest()


class ArtifactTest(SystemTest):
    def begin(self, data):
        """Where the upload is to go on."""
        client = RestClient(self.market, self.renter)
        client.connection.request("POST", f"/v1/artifacts/{digest_of(data)}",
                                  headers=dict(client.headers, **{"Upload-Length": str(len(data))}))
        answer = client.connection.getresponse()
        answer.read()
        client.close()
        self.assertEqual(answer.status, 201)
        return int(answer.headers["Upload-Offset"])

    def send(self, data, offset, pieces=None):
        """From `offset` on; the connection is cut after so many pieces, or by the server's end."""
        client = RestClient(self.market, self.renter)
        connection = client.connection
        try:
            connection.putrequest("PATCH", f"/v1/artifacts/{digest_of(data)}")
            headers = {"Content-Type": "application/octet-stream", "Content-Length": str(len(data) - offset),
                       "Upload-Offset": str(offset), **client.headers}
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders()
            for number, at in enumerate(range(offset, len(data), PIECE)):
                if number == pieces:
                    return None
                connection.send(data[at:at + PIECE])
            answer = connection.getresponse()
            answer.read()
            return answer.status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            client.close()

    def fetch(self, data):
        client = RestClient(self.market, self.renter)
        client.connection.request("GET", f"/v1/artifacts/{digest_of(data)}", headers=client.headers)
        return client.connection.getresponse().read()

    def test_an_upload_outlives_kill_9(self):
        data = os.urandom(48 * 1024 * 1024)
        reached = 0
        for _ in range(4):
            offset = self.begin(data)
            self.assertGreaterEqual(offset, reached)
            reached = offset
            sender = threading.Thread(target=self.send, args=(data, offset))
            sender.start()
            sender.join(random.uniform(0.02, 0.25))
            self.market.kill("server", signal.SIGKILL)
            sender.join(30 * PATIENCE)
            self.market.start_server()
        offset = self.begin(data)
        if offset < len(data):
            self.assertEqual(self.send(data, offset), 204)
        self.assertEqual(self.begin(data), len(data))
        self.assertEqual(self.fetch(data), data)

    def test_the_command_line_goes_on_where_it_was(self):
        folder = self.folder / "input"
        folder.mkdir()
        data = os.urandom(8 * 1024 * 1024)
        (folder / "data").write_bytes(data)
        self.begin(data)
        self.send(data, 0, pieces=8)
        self.market.wait_until("a part of the upload", lambda: self.begin(data), 10 * PATIENCE)
        self.market.kill("server", signal.SIGKILL)
        self.market.start_server()
        offset = self.begin(data)
        self.assertGreater(offset, 0)
        self.assertLess(offset, len(data))
        with self.assertRaises(Refused):  # nobody offers anything; the input was sent before
            self.market.run("run", self.query, "--in", str(folder), "--", "true", key=self.renter)
        self.assertEqual(self.fetch(data), data)
        lines = (self.market.data / "access.log").read_text().splitlines()
        self.assertTrue(any("PATCH" in line and " 204 " in line for line in lines), "the rest was not sent as such")


if __name__ == "__main__":
    main()
