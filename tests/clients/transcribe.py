"""Sends 16-bit audio of two channels in chunks of 100 ms and prints each final result as a line of JSON:
ENDPOINT AUDIO RATE_HZ"""

import asyncio
import json
import os
import sys

from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.endpoints import StaticEndpointResolver
from awscrt import io

endpoint, file, rate = sys.argv[1:]
rate = int(rate)


async def main():
    client = TranscribeStreamingClient(
        region="eu-west-2", endpoint_resolver=StaticEndpointResolver(endpoint)
    )
    # The client has no setting for a private authority.
    trust = io.TlsContextOptions()
    trust.override_default_trust_store_from_path(None, os.environ["AWS_CA_BUNDLE"])
    client._session_manager._tls_ctx = io.ClientTlsContext(trust)
    stream = await client.start_stream_transcription(
        language_code="en-US",
        media_sample_rate_hz=rate,
        media_encoding="pcm",
        number_of_channels=2,
        enable_channel_identification=True,
    )

    async def send():
        chunk = rate // 10 * 4
        with open(file, "rb") as audio:
            while piece := audio.read(chunk):
                await stream.input_stream.send_audio_event(audio_chunk=piece)
        await stream.input_stream.end_stream()

    async def receive():
        async for event in stream.output_stream:
            for result in event.transcript.results:
                if not result.is_partial:
                    text = result.alternatives[0].transcript
                    said = {"channel": result.channel_id, "start": result.start_time, "text": text}
                    print(json.dumps(said), flush=True)

    await asyncio.gather(send(), receive())


asyncio.run(main())
