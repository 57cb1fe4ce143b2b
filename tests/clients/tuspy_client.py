"""Uploads a file by tuspy in pieces, stops in the middle, and resumes.

Usage: tuspy_client.py URL TOKEN FILE
"""

import sys

from tusclient import client

url, token, path = sys.argv[1:]
tus = client.TusClient(url, headers={"Authorization": f"Bearer {token}"})
first = tus.uploader(path, chunk_size=1_000_000, metadata={"filename": "film.mp4"}, upload_checksum=True)
first.upload_chunk()
first.upload_chunk()
assert first.offset == 2_000_000, first.offset

second = tus.uploader(path, chunk_size=1_000_000, url=first.url, upload_checksum=True)
assert second.offset == 2_000_000, second.offset
second.upload()
