"""Reads a stream from its beginning to its end and writes the media to a file: ENDPOINT STREAM OUT"""

import sys

import boto3

endpoint, stream, out = sys.argv[1:]
video = boto3.client("kinesisvideo", region_name="eu-west-2", endpoint_url=endpoint)
found = video.get_data_endpoint(StreamARN=stream, APIName="GET_MEDIA")["DataEndpoint"]
media = boto3.client("kinesis-video-media", region_name="eu-west-2", endpoint_url=found)
payload = media.get_media(StreamARN=stream, StartSelector={"StartSelectorType": "EARLIEST"})["Payload"]
with open(out, "wb") as file:
    for piece in payload.iter_chunks(64 << 10):
        file.write(piece)
