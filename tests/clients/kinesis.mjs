// Reads a stream from its beginning to its end and writes the media to a file.
// ENDPOINT STREAM OUT
import { createWriteStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { GetDataEndpointCommand, KinesisVideoClient } from "@aws-sdk/client-kinesis-video";
import { GetMediaCommand, KinesisVideoMediaClient } from "@aws-sdk/client-kinesis-video-media";

const [endpoint, StreamARN, out] = process.argv.slice(2);
const region = "eu-west-2";
const video = new KinesisVideoClient({ region, endpoint });
const { DataEndpoint } = await video.send(new GetDataEndpointCommand({ StreamARN, APIName: "GET_MEDIA" }));
const media = new KinesisVideoMediaClient({ region, endpoint: DataEndpoint });
const StartSelector = { StartSelectorType: "EARLIEST" };
const { Payload } = await media.send(new GetMediaCommand({ StreamARN, StartSelector }));
await pipeline(Payload, createWriteStream(out));
